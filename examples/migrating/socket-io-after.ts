import { Hub } from "comet-sockets";
import { nodeHandler } from "comet-sockets/node";
import express, { type Request } from "express";

const hub = new Hub();
const app = express();
app.use(express.json());

type RoomRequest = Request<{ room: string }>;

app.get(
  "/rooms/:room/live",
  nodeHandler(hub, ({ params }: RoomRequest) => ({ topics: [`room:${params.room}`] })),
);
app.post("/rooms/:room/messages", async ({ params, body }: RoomRequest, response) => {
  const { text } = body as { text: unknown };
  await hub.topic(`room:${params.room}`).publish({ text: String(text) }, { event: "said" });
  response.sendStatus(204);
});

export const server = app.listen(process.env["PORT"] ?? 4000);

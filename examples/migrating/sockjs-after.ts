import { Hub } from "comet-sockets";
import { nodeHandler } from "comet-sockets/node";
import express from "express";

const hub = new Hub();
const chat = hub.topic<{ text: string }>("chat");
const app = express();
app.use(express.json());

app.get("/chat", nodeHandler(hub, { topics: ["chat"] }));
app.post("/chat", async ({ body }, response) => {
  const { text } = body as { text: unknown };
  await chat.publish({ text: String(text) });
  response.sendStatus(204);
});

export const server = app.listen(process.env["PORT"] ?? 4000);

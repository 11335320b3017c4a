import { join } from "node:path";
import { Hub } from "comet-sockets";
import { nodeHandler } from "comet-sockets/node";
import express from "express";

export const hub = new Hub({ topics: (name) => name === "news" });
const news = hub.topic<{ title: string }>("news");

const app = express();
app.use(express.static(join(import.meta.dirname, "pages")), express.json());
app.get("/live", nodeHandler(hub));
app.post("/news", async (request, response) => {
  const { title } = request.body as { title: string };
  await news.publish({ title });
  response.sendStatus(201);
});
export const server = app.listen(process.env["PORT"] ?? 4000);

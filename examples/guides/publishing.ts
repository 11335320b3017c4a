import { CometError, Hub } from "comet-sockets";
import { nodeHandler } from "comet-sockets/node";
import express from "express";

type Story = { readonly id: string; readonly title: string; readonly at: Date };

const hub = new Hub({ topics: (name) => name === "news" });
const news = hub.topic("news", {
  encoder: ({ id, title, at }: Story) => ({ id, title, at: at.toISOString() }),
});

const app = express();
app.use(express.json());
app.get("/live", nodeHandler(hub));
app.put("/stories/:id", async (request, response) => {
  const { title, revision } = request.body as { title: string; revision: number };
  const { id } = request.params;
  const messageId = `${id}:${revision}`; // A repeated request has the same revision, and an edit has another.
  try {
    const position = await news.publish({ id, title, at: new Date() }, { event: "story", key: id, messageId });
    response.status(201).json({ position });
  } catch (error) {
    if (!(error instanceof CometError)) throw error;
    const status = error.code === "ERR_MESSAGE" ? 400 : 503; // 400: the title is too large, or the id is not allowed.
    response.status(status).json({ code: error.code });
  }
});
export const server = app.listen(process.env["PORT"] ?? 4000);

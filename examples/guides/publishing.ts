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
  const { title } = request.body as { title: string };
  const story = { id: request.params.id, title, at: new Date() };
  try {
    const position = await news.publish(story, { event: "story", key: story.id, messageId: story.id });
    response.status(201).json({ position });
  } catch (error) {
    if (!(error instanceof CometError)) throw error;
    const status = error.code === "ERR_MESSAGE" ? 413 : 503;
    response.status(status).json({ code: error.code });
  }
});
export const server = app.listen(process.env["PORT"] ?? 4000);

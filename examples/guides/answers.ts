import { randomUUID } from "node:crypto";
import { setTimeout as wait } from "node:timers/promises";
import { Hub, type Topic } from "comet-sockets";
import { nodeHandler } from "comet-sockets/node";
import express from "express";

const hub = new Hub({ log: { maxAgeMs: 3_600_000 } });

/** In place of a model: any async iterable of strings. */
async function* model(question: string): AsyncGenerator<string> {
  for (const word of `You asked: ${question}`.split(/(?<= )/)) {
    await wait(20);
    yield word;
  }
}

/** Publishes each token, and at last an event that tells pages to close. */
async function answer(topic: Topic<string>, tokens: AsyncIterable<string>): Promise<void> {
  try {
    for await (const token of tokens) await topic.publish(token);
    await topic.publish("complete", { event: "done" });
  } catch {
    await topic.publish("failed", { event: "done" });
  }
}

const app = express();
app.use(express.json());
app.get("/live", nodeHandler(hub));
app.post("/answers", (request, response) => {
  const { question } = request.body as { question: string };
  const name = `answer:${randomUUID()}`;
  void answer(hub.topic<string>(name), model(question));
  response.status(202).json({ stream: `/live?topic=${name}&from=oldest` });
});
export const server = app.listen(process.env["PORT"] ?? 4000);

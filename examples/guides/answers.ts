import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { setTimeout as wait } from "node:timers/promises";
import { Hub, type Topic } from "comet-sockets";
import { nodeHandler } from "comet-sockets/node";
import express from "express";

const hub = new Hub({
  topics: (name) => /^answer:[\da-f-]{36}$/.test(name) && { log: { maxEntries: 100_000, maxAgeMs: 3_600_000 } },
});

/** In place of a model: any async iterable of strings. */
async function* model(question: string): AsyncGenerator<string> {
  for (const word of `You asked: ${question}`.split(/(?<= )/)) {
    await wait(20);
    yield word;
  }
}

/** Publishes each token, and at last an event that says that the answer is over. */
async function answer(topic: Topic<string>, tokens: AsyncIterable<string>): Promise<void> {
  try {
    for await (const token of tokens) await topic.publish(token);
    await topic.publish("complete", { event: "done" });
  } catch {
    await topic.publish("failed", { event: "done" });
  }
}

const form = `<!doctype html><form method="post" action="/answers"><input name="question"> <button>Ask</button></form>`;
const app = express();
app.use(express.urlencoded());
app.get("/", (_request, response) => void response.send(form));
app.get("/live", nodeHandler(hub));
app.get("/answers/:id", (_request, response) => response.sendFile(join(import.meta.dirname, "pages/answer.html")));
app.post("/answers", (request, response) => {
  const { question } = request.body as { question: string };
  const id = randomUUID();
  answer(hub.topic<string>(`answer:${id}`), model(question)).catch(console.error);
  response.redirect(303, `/answers/${id}`);
});
export const server = app.listen(process.env["PORT"] ?? 4000);

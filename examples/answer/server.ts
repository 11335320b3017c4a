/**
 * The answer of a language model, token by token: produced once, read in any number of tabs, stopped in any of them.
 *
 *     PORT=4000 node examples/answer/server.ts
 */
import { join } from "node:path";
import { Hub } from "comet-sockets";
import { nodeHandler } from "comet-sockets/node";
import express from "express";
import { tokens } from "./model.ts";

const isId = (id: unknown): id is string => typeof id === "string" && /^[\da-f-]{36}$/.test(id);
/** Each answer is a topic of its own, which is kept for an hour after its end. */
const answer = { finite: true, ttlMs: 3_600_000, log: { maxEntries: 100_000 } };
const hub = new Hub({ topics: (name) => name.startsWith("answer:") && isId(name.slice("answer:".length)) && answer });

const app = express();
app.use(express.json());
app.get("/live", nodeHandler(hub));

app.post("/answers", (request, response) => {
  const { id, question } = (request.body ?? {}) as Record<string, unknown>;
  if (!isId(id) || typeof question !== "string") return void response.sendStatus(400);
  // A request that arrives again joins the answer that runs.
  void hub.produce(`answer:${id}`, (signal) => tokens(question, signal));
  response.sendStatus(202);
});

app.post("/answers/stop", (request, response) => {
  const { id } = (request.body ?? {}) as Record<string, unknown>;
  if (!isId(id)) return void response.sendStatus(400);
  void hub.stop(`answer:${id}`);
  response.sendStatus(202);
});

const root = join(import.meta.dirname, "../../dist");
app.get("/client.global.js", (_request, response) => response.sendFile("client.global.js", { root }));
app.use(express.static(join(import.meta.dirname, "pages")));
export const server = app.listen(process.env["PORT"] ?? 4000);

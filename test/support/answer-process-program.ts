/** The program of a process that answers questions of `useChat` over a broker. The parent process starts it by IPC. */
import { getRequestListener } from "@hono/node-server";
import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { createClient } from "redis";
import { redisBroker } from "../../src/brokers/redis/index.ts";
import { sqliteBroker } from "../../src/brokers/sqlite/index.ts";
import { Hub } from "../../src/index.ts";
import { Answers, answerTopic, type AnswerChunk } from "../../src/surfaces/ai/index.ts";
import { serveCalls } from "../soak/support/child.ts";

export interface AnswerProcessOrder {
  /** The URL of a Redis server, or the path of a SQLite file. */
  readonly broker: string;
  readonly port: number;
  readonly leaseMs: number;
}

/** The body of a question: the process answers with so many numbered words. */
export interface NumberedQuestion {
  readonly id: string;
  readonly words: number;
  /** The pause after each word, in milliseconds. */
  readonly pauseMs: number;
}

/** One word of an answer: its run of the model, and its number from 0. */
export function parseWord(word: string): { readonly run: string; readonly n: number } {
  const [run = "", n = ""] = word.trim().split(":");
  return { run, n: Number(n) };
}

async function* numbered({ words, pauseMs }: NumberedQuestion, signal: AbortSignal): AsyncGenerator<AnswerChunk> {
  const run = crypto.randomUUID().slice(0, 8);
  const chunk = (type: string, rest: object = {}): AnswerChunk => ({ type, ...rest });
  yield chunk("start", { messageId: run });
  yield chunk("text-start", { id: "1" });
  for (let n = 0; n < words; n += 1) {
    yield chunk("text-delta", { id: "1", delta: `${run}:${n} ` });
    await sleep(pauseMs, undefined, { signal });
  }
  yield chunk("text-end", { id: "1" });
  yield chunk("finish");
}

async function listen({ broker: at, port, leaseMs }: AnswerProcessOrder): Promise<number> {
  const isRedis = at.startsWith("redis:");
  const broker = isRedis ? await redisBroker({ client: createClient({ url: at }) }) : await sqliteBroker({ path: at });
  const hub = new Hub({ broker, topics: (name) => name.startsWith("chat:") && answerTopic, onError: () => undefined });
  const answers = new Answers(hub, { leaseMs });
  const listener = getRequestListener(async (request) => {
    const { pathname } = new URL(request.url);
    if (pathname === "/api/chat") {
      const question = (await request.json()) as NumberedQuestion;
      return answers.start(request, `chat:${question.id}`, (signal) => numbered(question, signal));
    }
    const [, id = ""] = /^\/api\/chat\/([^/]+)\/stream$/.exec(pathname) ?? [];
    return answers.fetch(request, `chat:${id}`);
  });
  const server = createServer((request, response) => void listener(request, response));
  await new Promise<void>((resolve, reject) => void server.once("error", reject).listen(port, "127.0.0.1", resolve));
  return (server.address() as AddressInfo).port;
}

if (process.send !== undefined) serveCalls({ listen });

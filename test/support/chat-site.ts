import { getRequestListener } from "@hono/node-server";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { text } from "node:stream/consumers";
import { onTestFinished } from "vitest";
import { nodeHandler } from "../../src/adapters/node/index.ts";
import { Answers, answerTopic, type AnswerChunk } from "../../src/surfaces/ai/index.ts";
import type { HubOptions } from "../../src/index.ts";
import { notedHub, type NotedHub } from "./hub.ts";

/** One call of the model: the test writes its answer. */
export class ModelRun {
  readonly signal: AbortSignal;
  readonly chunks: ReadableStream<AnswerChunk>;
  readonly #writer: WritableStreamDefaultWriter<AnswerChunk>;

  constructor(signal: AbortSignal) {
    const { readable, writable } = new TransformStream<AnswerChunk, AnswerChunk>(undefined, { highWaterMark: 1000 });
    this.signal = signal;
    this.chunks = readable;
    this.#writer = writable.getWriter();
    this.#write({ type: "start", messageId: `answer-${crypto.randomUUID()}` });
    this.#write({ type: "text-start", id: "1" });
  }

  say(...words: readonly string[]): void {
    for (const delta of words) this.#write({ type: "text-delta", id: "1", delta });
  }

  end(): void {
    this.#write({ type: "text-end", id: "1" });
    this.#write({ type: "finish" });
    void this.#writer.close().catch(() => undefined);
  }

  fail(error: Error): void {
    void this.#writer.abort(error).catch(() => undefined);
  }

  #write(chunk: AnswerChunk & { readonly [name: string]: unknown }): void {
    // The answer may have been stopped.
    void this.#writer.write(chunk).catch(() => undefined);
  }
}

/** A chat's endpoints behind a server of its own, with a model whose words the test writes. */
export interface ChatSite extends NotedHub {
  readonly origin: string;
  /** The calls of the model, in their order. */
  readonly runs: readonly ModelRun[];
  /** The requests, as `POST /api/chat`. */
  readonly requests: readonly string[];
  /** Cuts all connections. */
  cut(): void;
  /** Answers the next requests by cutting their connections, so many. */
  refuseNext(count: number): void;
}

/** How a site gives requests to `Answers`: by its methods of web-standard requests, or by an endpoint. */
export type Serving = "fetch" | "nodeHandler";

/** Serves until the test is over. The user of a request is its header `x-user`. */
export async function chatSite(
  options: HubOptions = {},
  { leaseMs = 1000, serving = "fetch" }: { readonly leaseMs?: number; readonly serving?: Serving } = {},
): Promise<ChatSite> {
  const noted = notedHub({ topics: (name) => name.startsWith("chat:") && answerTopic, ...options });
  const answers = new Answers(noted.hub, { leaseMs });
  const runs: ModelRun[] = [];
  const requests: string[] = [];
  let refused = 0;
  const produce = (signal: AbortSignal): ReadableStream<AnswerChunk> => {
    const run = new ModelRun(signal);
    runs.push(run);
    return run.chunks;
  };
  const topicOf = (body: string): string => `chat:${(JSON.parse(body) as { readonly id: string }).id}`;
  const topicAt = (path: string): string => `chat:${decodeURIComponent(streamPath.exec(path)?.[1] ?? "")}`;
  const byFetch = getRequestListener(
    async (request) => {
      const { pathname } = new URL(request.url);
      const context = request.headers.get("x-user");
      return pathname === "/api/chat"
        ? answers.start(request, topicOf(await request.text()), produce, { context })
        : answers.fetch(request, topicAt(pathname), { context });
    },
    { overrideGlobalObjects: false },
  );
  const byEndpoint = async (request: IncomingMessage, response: ServerResponse): Promise<void> => {
    const { url = "", headers } = request;
    const endpoint =
      url === "/api/chat" ? answers.endpoint(topicOf(await text(request)), produce) : answers.endpoint(topicAt(url));
    await nodeHandler(endpoint, { context: headers["x-user"] ?? null })(request, response);
  };
  const listener = serving === "fetch" ? byFetch : byEndpoint;
  const server = createServer((request, response) => {
    if (refused > 0) {
      refused -= 1;
      request.socket.destroy();
      return;
    }
    requests.push(`${request.method ?? ""} ${request.url ?? ""}`);
    void listener(request, response);
  });
  await new Promise<void>((resolve) => void server.listen(0, "127.0.0.1", resolve));
  onTestFinished(async () => {
    const closed = new Promise((resolve) => server.close(resolve));
    server.closeAllConnections();
    await closed;
  });
  return {
    ...noted,
    origin: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    runs,
    requests,
    cut: () => server.closeAllConnections(),
    refuseNext: (count) => (refused = count),
  };
}

const streamPath = /^\/api\/chat\/([^/]+)\/stream$/;

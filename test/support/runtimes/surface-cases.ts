/** The cases of surfaces: what `comet-sockets/ai` and `comet-sockets/durable-streams` promise on each runtime. */
import { expect } from "vitest";
import { until } from "../sources.ts";
import type { World } from "./world.ts";

interface Request {
  readonly method?: string;
  readonly headers?: Readonly<Record<string, string>>;
  readonly body?: string;
}

/** A response whose text is read as it comes. */
class TextReader {
  text = "";
  readonly response: Response;
  readonly ended: Promise<void>;

  private constructor(response: Response) {
    this.response = response;
    this.ended = this.#read();
    // `has` reports it.
    this.ended.catch(() => undefined);
  }

  static async fetch(url: string, { headers, ...init }: Request = {}): Promise<TextReader> {
    // A kept connection may close just as it is used again.
    return new TextReader(await fetch(url, { ...init, headers: { ...headers, connection: "close" } }));
  }

  async #read(): Promise<void> {
    const decoder = new TextDecoder();
    for await (const piece of this.response.body ?? []) this.text += decoder.decode(piece, { stream: true });
  }

  /** Waits for text. */
  async has(text: string): Promise<this> {
    await until(() => this.text.includes(text));
    return this;
  }

  /** Waits for the end, and returns the whole text. */
  async whole(): Promise<string> {
    await this.ended;
    return this.text;
  }
}

const dataOf = (text: string): string[] => Array.from(text.matchAll(/^data: ?([^\n]*)\n/gm), ([, data = ""]) => data);
const chunks = (...types: string[]): string[] => [...types.map((type) => JSON.stringify({ type })), "[DONE]"];

/** An answer is produced once, read whole and from a position, and stopped for all readers. */
export async function streamsAnswers(world: World): Promise<void> {
  const { server } = world;
  const url = `http://127.0.0.1:${server.port}/answer/${await world.hub({ heartbeatMs: 200 })}`;
  const send = (topic: string, init: Request = {}): Promise<TextReader> => TextReader.fetch(`${url}/${topic}`, init);

  expect((await send("whole")).response.status).toBe(204);
  const asked = await send("whole", { method: "POST" });
  expect(asked.response.headers.get("x-vercel-ai-ui-message-stream")).toBe("v1");
  const text = await asked.whole();
  expect(dataOf(text)).toEqual(chunks("start", "one", "two", "finish"));
  expect(dataOf(await (await send("whole")).whole())).toEqual(dataOf(text));
  const start = /^id: (.*)\.\d+$/m.exec(text)?.[1] ?? "";
  const offset = /^id: (\d+)\ndata: {"type":"one"}$/m.exec(text)?.[1] ?? "";
  const rest = await send("whole", { headers: { "last-event-id": `${start}.${offset}` } });
  expect(dataOf(await rest.whole())).toEqual(chunks("two", "finish"));

  const first = await (await send("endless", { method: "POST" })).has("two");
  const second = await (await send("endless")).has("two");
  await second.has(": keep-alive");
  expect((await send("endless", { method: "PUT" })).response.status).toBe(405);
  expect((await send("endless", { method: "DELETE" })).response.status).toBe(204);
  for (const reader of [first, second]) {
    expect(dataOf(await reader.whole())).toEqual(chunks("start", "one", "two", "abort"));
  }
}

/** A Durable Stream is written by PUT and POST, and read at once, live and by long poll, until it is closed and deleted. */
export async function keepsStreams(world: World): Promise<void> {
  const { server } = world;
  const hub = await world.hub();
  const url = `http://127.0.0.1:${server.port}/streams/${hub}/s`;
  const json = { "content-type": "application/json" };
  const send = (query: string, init: Request = {}): Promise<TextReader> => TextReader.fetch(url + query, init);
  const append = async (body: string, headers: Request["headers"] = {}): Promise<number> =>
    (await send("", { method: "POST", headers: { ...json, ...headers }, body })).response.status;

  expect((await send("", { method: "PUT", headers: json })).response.status).toBe(201);
  expect(await append("[1,2]")).toBe(204);
  const read = await send("?offset=-1");
  expect(await read.whole()).toBe("[1,2]");
  const next = read.response.headers.get("stream-next-offset") ?? "";

  const live = await (await send("?offset=-1&live=sse")).has("upToDate");
  const polling = send(`?offset=${next}&live=long-poll`);
  expect(await append('{"word":"three"}')).toBe(204);
  expect(await (await polling).whole()).toBe('[{"word":"three"}]');
  await live.has('data:[{"word":"three"}]');

  expect(await append("", { "stream-closed": "true" })).toBe(204);
  expect(await live.whole()).toContain('"streamClosed":true');
  expect(await append("4")).toBe(409);
  expect((await send("", { method: "DELETE" })).response.status).toBe(204);
  expect((await send("?offset=-1")).response.status).toBe(404);
}

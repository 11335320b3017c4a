/**
 * The CPU time of a token on its way from a generator to the reader of a `Response`: one way, in a process of its own. There is no
 * network: this process reads the body itself, which is part of each figure. Arguments: the way, and the number of tokens.
 */
import { Hono } from "hono";
import { streamSSE } from "hono/streaming";
import { Enumeratee, Enumerator, Hub, chunked } from "../../../dist/index.js";

/** Tokens of 4 bytes: no two in a row are the same. */
function* tokens(count: number): Generator<string> {
  for (let i = 0; i < count; i += 1) yield String(1000 + (i % 9000));
}

const frame = (token: string): string => `data: ${token}\n\n`;
const utf8 = new TextEncoder();

/** A `Response` of frames, of which each chunk has so many. */
function bare(count: number, framesPerChunk: number): Response {
  const all = tokens(count);
  const pull = (controller: ReadableStreamDefaultController<Uint8Array>): void => {
    let text = "";
    for (let i = 0; i < framesPerChunk; i += 1) {
      const next = all.next();
      if (next.done === true) {
        if (text !== "") controller.enqueue(utf8.encode(text));
        controller.close();
        return;
      }
      text += frame(next.value);
    }
    controller.enqueue(utf8.encode(text));
  };
  return new Response(new ReadableStream({ pull }), { headers: { "content-type": "text/event-stream" } });
}

/** Follows a new finite topic of a hub, and lets `publish` fill it. */
async function throughHub(
  publish: (hub: Hub, name: string) => Promise<unknown>,
): Promise<readonly [Response, Promise<unknown>]> {
  const hub = new Hub({ topics: () => ({ finite: true }) });
  // The reader waits for the topic to begin, so that it has every token.
  const response = hub.fetch(new Request("http://bench.test/live?topic=bench&wire=sse"));
  const publishing = publish(hub, "bench");
  return [await response, publishing];
}

type Way = (count: number) => Promise<readonly [Response, Promise<unknown>]>;
const done = Promise.resolve();
const ways: { readonly [way: string]: Way } = {
  bare: (count) => Promise.resolve([bare(count, 1), done]),
  batched: (count) => Promise.resolve([bare(count, 1000), done]),
  ours: (count) => throughHub((hub, name) => hub.topic<string>(name).publishFrom(tokens(count))),
  "ours-awaited": (count) =>
    throughHub(async (hub, name) => {
      const topic = hub.topic<string>(name);
      for (const token of tokens(count)) await topic.publish(token);
      await topic.end();
    }),
  "ours-chunked": (count) =>
    Promise.resolve([chunked(Enumerator.from(tokens(count)).through(Enumeratee.map(frame))), done]),
  hono: async (count) => {
    const app = new Hono();
    app.get("/", (context) =>
      streamSSE(context, async (stream) => {
        for (const data of tokens(count)) await stream.writeSSE({ data });
      }),
    );
    return [await app.request("/"), done];
  },
};

const [way = "", countText = "1000000"] = process.argv.slice(2);
const open = ways[way];
if (open === undefined) throw new RangeError(`No way ${way}.`);
const NEWLINE = 10;

/** Reads a body, and counts its tokens: the digits at the end of a `data` line. */
async function read(count: number): Promise<void> {
  const [response, publishing] = await (open as Way)(count);
  let frames = 0;
  let last = 0;
  let isTail = true;
  for await (const chunk of response.body as unknown as AsyncIterable<Uint8Array>) {
    isTail = false;
    // Each event ends with an empty line.
    for (const byte of chunk) {
      if (byte === NEWLINE && last === NEWLINE) frames += 1;
      last = byte;
    }
  }
  await publishing;
  // Ours has an item before the tokens and two after them.
  if (isTail || frames < count || frames > count + 10) throw new Error(`${way}: ${frames} events, not ${count}.`);
}

const count = Number(countText);
await read(Math.max(1000, count / 10));
const before = process.cpuUsage();
await read(count);
const { user, system } = process.cpuUsage(before);
console.log(JSON.stringify({ ns: ((user + system) * 1000) / count }));

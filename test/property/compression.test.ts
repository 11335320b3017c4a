/** Clients that join, lag, leave, are recycled and end, at random: each compressed stream is a whole member, in order. */
import fc from "fast-check";
import { afterEach, expect, test, vi } from "vitest";
import { Hub } from "../../src/index.ts";
import { CometDecoder } from "../support/decoders/comet-decoder.ts";
import type { Decoder, DecoderOptions } from "../support/decoders/decoder.ts";
import { NdjsonDecoder } from "../support/decoders/ndjson-decoder.ts";
import { SseDecoder } from "../support/decoders/sse-decoder.ts";
import type { WireItem } from "../support/decoders/wire-item.ts";
import { flushed, turn } from "../support/fake-sink.ts";
import { gunzipSoFar, hashesByPython, sha256 } from "../support/gunzip.ts";
import { allowAllPacking, compressionOf, PackedClient } from "../support/packed-client.ts";

const finite = "f";
const queries = ["wire=ndjson", "wire=sse", "wire=sse&mode=managed", "wire=comet", "wire=comet&mode=managed"];

type Step =
  | { readonly step: "publish"; readonly topic: string; readonly count: number; readonly size: number }
  | { readonly step: "open"; readonly topics: readonly string[]; readonly query: number; readonly oldest: boolean }
  | { readonly step: "fill" | "drain" | "leave" | "close"; readonly client: number }
  | { readonly step: "turn" | "flush" | "end" };

const client = fc.nat({ max: 30 });
const open = fc.record({
  step: fc.constant("open" as const),
  topics: fc.constantFrom(["a"], ["a"], ["b"], ["a", "b"], [finite]),
  query: fc.oneof({ arbitrary: fc.constant(0), weight: 3 }, fc.nat({ max: queries.length - 1 })),
  oldest: fc.boolean(),
});
const step: fc.Arbitrary<Step> = fc.oneof(
  {
    arbitrary: fc.record({
      step: fc.constant("publish" as const),
      topic: fc.constantFrom("a", "a", "b", finite),
      count: fc.integer({ min: 1, max: 6 }),
      size: fc.oneof({ arbitrary: fc.nat({ max: 200 }), weight: 8 }, fc.constantFrom(9000, 30_000)),
    }),
    weight: 6,
  },
  { arbitrary: open, weight: 3 },
  {
    arbitrary: fc.record({ step: fc.constantFrom("fill" as const, "drain" as const, "drain" as const), client }),
    weight: 4,
  },
  { arbitrary: fc.record({ step: fc.constantFrom("leave" as const, "close" as const), client }), weight: 1 },
  { arbitrary: fc.record({ step: fc.constant("end" as const) }), weight: 1 },
  {
    arbitrary: fc.record({ step: fc.constantFrom("turn" as const, "flush" as const, "flush" as const) }),
    weight: 8,
  },
);

/** A text that is much like others, and says its number and its topic. */
const textOf = (topic: string, i: number, size: number): string =>
  `${topic} ${i} ${"the price of kiki is ".repeat(1 + size / 20).slice(0, size)}${(i * 7919) % 97}`;

interface Opened {
  readonly client: PackedClient;
  readonly query: string;
}

function itemsOf({ client: { text }, query }: Opened): WireItem[] {
  const items: WireItem[] = [];
  const options: DecoderOptions = { onItem: (item) => items.push(item) };
  const mode = query.includes("managed") ? "managed" : "plain";
  const decoder: Decoder = query.includes("wire=ndjson")
    ? new NdjsonDecoder(options)
    : query.includes("wire=sse")
      ? new SseDecoder({ ...options, mode })
      : new CometDecoder({ ...options, mode, callback: "parent.cometMessage" });
  decoder.feed(new TextEncoder().encode(text));
  return items;
}

/** Expects the messages of each topic to be in a row, except where a gap says otherwise. */
function expectInOrder(opened: Opened): void {
  const next = new Map<string, number>();
  for (const item of itemsOf(opened)) {
    if (item.type === "gap") next.clear();
    if (item.type !== "message") continue;
    const [topic = "", number] = (item.data as string).split(" ");
    const expected = next.get(topic);
    if (expected !== undefined) expect(Number(number)).toBe(expected);
    next.set(topic, Number(number) + 1);
  }
}

/** A topic that has ended goes early where memory is full. */
function refusedAsExpired(error: unknown): undefined {
  expect(String(error)).toContain("ERR_TOPIC_EXPIRED");
}

const members: Buffer[] = [];
const contents: string[] = [];

/** Runs the steps, and returns how often packing was worth it. */
async function run(steps: readonly Step[], options: { readonly maxLogBytes?: number }): Promise<number> {
  const hub = new Hub({
    heartbeatMs: 0,
    maxConnectionBytes: 200_000,
    compression: () => true,
    overflow: "skip",
    ...options,
  });
  const published = new Map<string, number>();
  const all: Opened[] = [];
  let hasEnded = false;
  const last = hub.topic<string>(finite, { finite: true });
  for (const one of steps) {
    const chosen = "client" in one ? all[one.client % Math.max(1, all.length)]?.client : undefined;
    if (one.step === "publish") {
      if (one.topic === finite && hasEnded) continue;
      for (let i = 0; i < one.count; i += 1) {
        const number = published.get(one.topic) ?? 0;
        published.set(one.topic, number + 1);
        void (one.topic === finite ? last : hub.topic<string>(one.topic)).publish(textOf(one.topic, number, one.size));
      }
    } else if (one.step === "open") {
      const names = one.topics.map((topic) => `topic=${topic}`).join("&");
      const query = `${names}&${queries[one.query] ?? ""}${one.oldest ? "&from=oldest" : ""}`;
      // A topic that ends is followed once it has begun: the request waits otherwise.
      if (names.includes(finite) && !published.has(finite)) continue;
      const opened = await PackedClient.open(hub, query).catch(refusedAsExpired);
      if (opened !== undefined) all.push({ client: opened, query });
    } else if (one.step === "fill") {
      if (chosen !== undefined) chosen.sink.full = true;
    } else if (one.step === "drain") chosen?.drain();
    else if (one.step === "leave") chosen?.connection.gone();
    else if (one.step === "close") chosen?.connection.close("gone");
    else if (one.step === "turn") await turn();
    else if (one.step === "flush") await flushed();
    else if (!hasEnded) {
      hasEnded = true;
      if (published.has(finite)) void last.end();
    }
  }
  for (const { client: opened } of all) if (!opened.connection.over) opened.drain();
  await flushed();
  await hub.close({ drainMs: 0 });
  for (const opened of all) {
    expectInOrder(opened);
    const { sink, bytes } = opened.client;
    if (sink.state !== "ended") continue;
    members.push(bytes);
    contents.push(sha256(gunzipSoFar(bytes)));
  }
  return compressionOf(hub).packed;
}

afterEach(() => vi.restoreAllMocks());

test.each<[string, boolean, { readonly maxLogBytes?: number }]>([
  ["all the time to pack", true, {}],
  ["a share of time to pack", false, {}],
  ["memory that is full", true, { maxLogBytes: 1_048_576 }],
])("each compressed stream is whole and in order, with %s", async (_, hasTime, options) => {
  if (hasTime) allowAllPacking();
  let packed = 0;
  members.length = contents.length = 0;
  await fc.assert(
    fc.asyncProperty(fc.array(step, { minLength: 30, maxLength: 200, size: "max" }), async (steps) => {
      packed += await run(steps, options);
    }),
    { numRuns: 40, endOnFailure: true },
  );
  expect(packed).toBeGreaterThan(hasTime ? 500 : 0);
  expect(members.length).toBeGreaterThan(150);
  expect(await hashesByPython(members)).toEqual(contents);
});

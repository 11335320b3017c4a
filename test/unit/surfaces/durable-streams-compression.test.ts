/** Live readers of Durable Streams whose responses are compressed. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { isAdmission } from "../../../src/hub/admission/decision.ts";
import { Connection } from "../../../src/hub/delivery/connection.ts";
import type { Endpoint, HubOptions } from "../../../src/index.ts";
import { eventsOf, json, testStreams, type TestStreams } from "../../support/durable-streams.ts";
import { FakeSink, flushed } from "../../support/fake-sink.ts";
import { allowAllPacking, compressionOf } from "../../support/packed-client.ts";

beforeEach(allowAllPacking);
afterEach(() => vi.restoreAllMocks());

const streamsWith = (options: HubOptions = {}): TestStreams =>
  testStreams({ heartbeatMs: 0, compression: true, ...options });
const entry = (n: number): string => JSON.stringify({ n, text: "the price of kiki is the price of foo and of bar" });

/** Opens a live reader of `/s` that inflates what it is sent. */
async function openOn(endpoint: Endpoint, query = "offset=-1&live=sse"): Promise<FakeSink> {
  const get = (name: string): string | null => (name === "accept-encoding" ? "gzip" : null);
  const decision = await endpoint._decide({ method: "GET", url: `/s?${query}`, headers: { get } }, () => ({}));
  if (!isAdmission(decision)) throw new Error(decision.body);
  expect([decision.isPacked, decision.headers.get("content-encoding")]).toEqual([true, "gzip"]);
  const sink = new FakeSink();
  sink.inflate();
  decision.open(sink);
  return sink;
}

const dataOf = ({ text }: FakeSink): number[] =>
  eventsOf(text)
    .filter(({ type }) => type === "data")
    .flatMap(({ data }) => (JSON.parse(data) as { n: number }[]).map(({ n }) => n));
const upToDateOf = ({ text }: FakeSink): boolean[] =>
  eventsOf(text)
    .filter(({ type }) => type === "control")
    .map(({ data }) => (JSON.parse(data) as { upToDate?: boolean }).upToDate === true);
const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);

async function append({ succeed }: TestStreams, from: number, to: number): Promise<void> {
  for (let n = from; n < to; n += 1) {
    await succeed("POST", "/s", { headers: json, body: entry(n) });
    await flushed();
  }
}

describe("the head of a live read", () => {
  const headOf = async (options: HubOptions, accept: string, query = "offset=-1&live=sse"): Promise<Headers> => {
    const { streams, succeed } = testStreams(options);
    await succeed("PUT", "/s", { headers: json });
    const headers = { "accept-encoding": accept };
    const response = await streams.fetch(new Request(`http://hub.test/s?${query}`, { headers }));
    await response.body?.cancel();
    return response.headers;
  };

  test("names gzip, and varies with Accept-Encoding, where the hub compresses", async () => {
    for (const accept of ["gzip", "identity"]) {
      const headers = await headOf({ compression: true }, accept);
      expect(headers.get("content-encoding")).toBe(accept === "gzip" ? "gzip" : null);
      expect(headers.get("vary")).toContain("Accept-Encoding");
      expect(headers.get("cache-control")).toBe("no-cache, no-transform");
    }
  });

  test("is plain where the hub does not compress the stream, and on a read that is no live one", async () => {
    const calls: unknown[] = [];
    const none = (topics: readonly string[]): boolean => calls.push(topics) < 0;
    for (const headers of [
      await headOf({ compression: false }, "gzip"),
      await headOf({ compression: none }, "gzip"),
      await headOf({ compression: true }, "gzip", "offset=-1"),
    ]) {
      expect(headers.get("content-encoding")).toBeNull();
      expect(headers.get("vary") ?? "").not.toContain("Accept-Encoding");
    }
    expect(calls).toEqual([["s"]]);
  });
});

describe("compressed live readers", () => {
  test("share one packing of each append and of a backlog, and get a whole member", async () => {
    const world = streamsWith();
    await world.succeed("PUT", "/s", { headers: json });
    const sinks = await Promise.all(range(0, 10).map(() => openOn(world.streams)));
    await append(world, 0, 20);
    expect(compressionOf(world.hub).packed).toBe(20);
    const late = await Promise.all(range(0, 10).map(() => openOn(world.streams)));
    expect(compressionOf(world.hub).packed).toBe(21);
    await append(world, 20, 22);
    await world.succeed("POST", "/s", { headers: { ...json, "stream-closed": "true" } });
    await flushed();
    for (const sink of [...sinks, ...late]) {
      // The sink has compared the content with the checksum.
      expect(sink.state).toBe("ended");
      expect(dataOf(sink)).toEqual(range(0, 22));
      expect(sink.text).toContain('"streamClosed":true');
    }
    for (const { pieces, bytes } of sinks) expect(bytes[5]?.length).toBeLessThan((pieces[5]?.length ?? 0) / 2);
  });

  test("begin with the head of the member where the first bytes are a pass", async () => {
    const world = streamsWith();
    await world.succeed("PUT", "/s", { headers: json });
    const first = await openOn(world.streams);
    await append(world, 0, 2);
    // It has caught up with the passes, but not with the log, so nothing is written when it opens.
    void world.hub.topic("s").publish({ n: 2, text: "kiki" });
    const offset = eventsOf(first.text).at(-1)?.data ?? "";
    const { streamNextOffset } = JSON.parse(offset) as { streamNextOffset: string };
    const second = await openOn(world.streams, `offset=${streamNextOffset}&live=sse`);
    await flushed();
    await append(world, 3, 6);
    void world.hub.close({ drainMs: 0 });
    await flushed();
    expect([dataOf(first), dataOf(second)]).toEqual([range(0, 6), range(2, 6)]);
  });

  test("that lag are told that they are up to date only where they are", async () => {
    const world = streamsWith();
    await world.succeed("PUT", "/s", { headers: json });
    const [slow, fast] = [await openOn(world.streams), await openOn(world.streams)];
    await append(world, 0, 1);
    slow.full = true;
    await append(world, 1, 6);
    const { packed } = compressionOf(world.hub);
    slow.full = false;
    for (const subscription of world.hub.subscriptions())
      if (subscription instanceof Connection) subscription.drained();
    await flushed();
    expect([dataOf(slow), dataOf(fast)]).toEqual([range(0, 6), range(0, 6)]);
    // One more for the opening. Of what it has missed, only the last message is the newest.
    expect(upToDateOf(fast)).toEqual([true, true, true, true, true, true, true]);
    expect(upToDateOf(slow)).toEqual([true, true, true, false, false, false, true]);
    expect(compressionOf(world.hub).packed).toBeGreaterThanOrEqual(packed);
    void world.hub.close({ drainMs: 0 });
    await flushed();
    expect([slow.state, fast.state]).toEqual(["ended", "ended"]);
  });
});

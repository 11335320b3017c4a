import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { PackingBudget } from "../../../../src/hub/packing/packing-budget.ts";
import { Hub, type HubOptions, type JsonValue } from "../../../../src/index.ts";
import { FakeSink, flushed, open } from "../../../support/fake-sink.ts";
import { allowAllPacking, compressionOf, PackedClient } from "../../../support/packed-client.ts";

beforeEach(allowAllPacking);
afterEach(() => vi.restoreAllMocks());

const calm = { heartbeatMs: 0, stallMs: 2_000_000_000, maxConnectionAgeMs: 2_000_000_000 };
const packingHub = (options: HubOptions = {}): Hub => new Hub({ ...calm, compression: true, ...options });

/** A message of about 200 bytes that is much like the one before it. */
const price = (i: number): JsonValue => ({
  symbol: "KIKI",
  price: 17 + i,
  currency: "EUR",
  exchange: "Frankfurt",
  note: "the quick brown fox jumps over the lazy dog, and the dog does not mind at all",
});

/** Publishes messages, each in a flush of its own. */
async function publish(hub: Hub, from: number, to: number, topic = "t"): Promise<void> {
  for (let i = from; i < to; i += 1) {
    void hub.topic(topic).publish(price(i));
    await flushed();
  }
}

const prices = (from: number, to: number): JsonValue[] => Array.from({ length: to - from }, (_, i) => price(from + i));
const many = (hub: Hub, count: number, query = "topic=t"): Promise<PackedClient[]> =>
  Promise.all(Array.from({ length: count }, () => PackedClient.open(hub, query)));

describe("a pass", () => {
  test("is packed once for all clients, which are sent the same memory", async () => {
    const hub = packingHub();
    const clients = await many(hub, 20);
    await publish(hub, 0, 5);
    expect(compressionOf(hub).packed).toBe(5);
    for (const { sink, messages } of clients) {
      expect(messages).toEqual(prices(0, 5));
      sink.bytes.slice(1).forEach((bytes, i) => expect(bytes).toBe(clients[0]?.sink.bytes[i + 1]));
    }
  });

  test("refers to the passes before it", async () => {
    const hub = packingHub();
    const [client] = await many(hub, 1);
    await publish(hub, 0, 3);
    const [, first, second, third] = client?.sink.bytes.map(({ length }) => length) ?? [];
    expect(second).toBeLessThan((first as number) / 3);
    expect(third).toBeLessThan((first as number) / 3);
  });

  test("refers to no more than the last 8 KiB, however much was sent", async () => {
    const hub = packingHub();
    const [client] = await many(hub, 1);
    const words = Array.from({ length: 40 }, (_, i) =>
      Array.from({ length: 90 }, (_, j) => (i * 977 + j * j * 31) % 1009).join(" "),
    );
    for (const word of [...words, ...words]) {
      void hub.topic("t").publish(word);
      await flushed();
    }
    expect(client?.messages).toEqual([...words, ...words]);
  });

  test("is stored for a client that joins later, until enough of them have cost enough", async () => {
    const hub = packingHub();
    const [early] = await many(hub, 4);
    await publish(hub, 0, 3);
    const [late] = await many(hub, 1);
    await publish(hub, 3, 4);
    expect(Buffer.from(late?.sink.bytes[1] ?? []).toString("latin1")).toContain('"symbol":"KIKI"');
    expect(late?.sink.bytes[1]).not.toBe(early?.sink.bytes[4]);
    await publish(hub, 4, 40);
    expect(late?.sink.bytes.at(-1)).toBe(early?.sink.bytes.at(-1));
    // The checksum of the end is that of what each of them has had.
    await hub.close({ drainMs: 0 });
    expect([early?.messages, late?.messages]).toEqual([prices(0, 40), prices(3, 40)]);
  });

  test("is stored with its own bytes if it is not ASCII, so that memory for it was allocated twice", async () => {
    const hub = packingHub();
    await many(hub, 1);
    await publish(hub, 0, 1);
    const [late] = await many(hub, 1);
    const texts = ["Grüße an alle, die auf den Kometen warten", "a text in ASCII", "彗星は七十六年ごとに帰ってくる"];
    for (const text of texts) {
      void hub.topic("t").publish(text);
      await flushed();
    }
    await hub.close({ drainMs: 0 });
    expect(late?.messages).toEqual(texts);
  });

  test("begins another epoch at once if nobody is left who has had the last one", async () => {
    const hub = packingHub();
    const [first] = await many(hub, 1);
    await publish(hub, 0, 3);
    first?.connection.gone();
    const [second] = await many(hub, 1);
    await publish(hub, 3, 7);
    const sizes = second?.sink.bytes.slice(1).map(({ length }) => length) ?? [];
    expect(sizes[3]).toBeLessThan((sizes[0] as number) / 3);
    expect(second?.messages).toEqual(prices(3, 7));
  });

  test("is a stored block if it is a heartbeat, which takes no time to pack", async () => {
    const hub = packingHub({ heartbeatMs: 50 });
    const [client] = await many(hub, 1, "topic=t&wire=sse");
    await publish(hub, 0, 1);
    const beats = (): number => client?.text.match(/comet:heartbeat/g)?.length ?? 0;
    while (beats() < 3) await flushed();
    expect(compressionOf(hub).packed).toBe(1);
    await publish(hub, 1, 3);
    expect(client?.text.match(/"price":\d+/g)).toEqual(['"price":17', '"price":18', '"price":19']);
    await hub.close({ drainMs: 0 });
    expect(client?.text).toContain("comet:end");
  });
});

describe("what belongs to one client", () => {
  test("is in stored blocks that nothing refers to", async () => {
    const hub = packingHub();
    const [bystander] = await many(hub, 1);
    await publish(hub, 0, 2);
    const { packed } = compressionOf(hub);
    const [client] = await many(hub, 1);
    expect(client?.bytes.toString("latin1")).toContain('{"open":{"states":{"t":"fresh"}');
    [...hub.subscriptions()][1]?.close("unauthorized");
    expect(client?.bytes.toString("latin1")).toContain('{"end":{"reason":"unauthorized"');
    expect(client?.text).toContain('"reason":"unauthorized"');
    expect(compressionOf(hub).packed).toBe(packed);
    expect(bystander?.messages).toEqual(prices(0, 2));
  });

  test("puts the client outside of the epoch, so that no block refers to bytes in the wrong place", async () => {
    const hub = packingHub({ compression: () => true });
    const [client] = await many(hub, 1, "topic=t&topic=u");
    const [other] = await many(hub, 1, "topic=t&topic=u");
    await publish(hub, 0, 4);
    // The first two clients are told of u at different moments of the group's text.
    await hub.topic("u").publish("x");
    await flushed();
    await hub.topic("u").delete();
    await publish(hub, 4, 8);
    for (const { messages } of [client, other] as PackedClient[])
      expect(messages).toEqual([...prices(0, 4), "x", ...prices(4, 8)]);
  });
});

describe("a client that falls behind", () => {
  test("is sent the packed blocks that it has missed, and stays in the epoch", async () => {
    const hub = packingHub();
    const [slow, fast] = (await many(hub, 3)) as [PackedClient, PackedClient];
    await publish(hub, 0, 3);
    slow.sink.full = true;
    await publish(hub, 3, 8);
    expect(slow.sink.bytes.length).toBe(5);
    const { packed } = compressionOf(hub);
    slow.drain();
    await flushed();
    expect(slow.sink.bytes.length).toBe(9);
    slow.sink.bytes.slice(1).forEach((bytes, i) => expect(bytes).toBe(fast.sink.bytes[i + 1]));
    await publish(hub, 8, 10);
    expect(compressionOf(hub).packed).toBe(packed + 2);
    expect(slow.sink.bytes.at(-1)).toBe(fast.sink.bytes.at(-1));
    expect(slow.messages).toEqual(prices(0, 10));
  });

  test("is sent the rest where its blocks are no longer held", async () => {
    const hub = packingHub({ maxLogBytes: 1_048_576, log: { maxBytes: 900_000 } });
    const [slow, fast] = (await many(hub, 2)) as [PackedClient, PackedClient];
    await publish(hub, 0, 2);
    slow.sink.full = true;
    const noise = Array.from({ length: 400 }, (_, i) => `${i} ${Math.sin(i)} `.repeat(40));
    for (const text of noise) {
      void hub.topic("t").publish(text);
      await flushed();
    }
    slow.drain();
    await flushed();
    const numbers = (client: PackedClient): number[] =>
      client.messages.slice(2).map((text) => Number.parseInt(String(text), 10));
    expect(numbers(fast)).toEqual(noise.map((_, i) => i));
    expect(numbers(slow)).toEqual(noise.map((_, i) => i));
  });
});

describe("a backlog", () => {
  const line = (i: number): string => `message ${i}: ${"kiki foo bar ".repeat(6)}${(i * 7919) % 1000}`;
  const fill = async (hub: Hub): Promise<void> => {
    for (let i = 0; i < 3700; i += 1) await hub.topic("t").publish(line(i));
  };

  test.each(["ndjson", "sse", "comet", "comet&mode=managed"])(
    "is packed once for all clients of the same position on %s, in pieces of at most 64 KiB",
    async (wire) => {
      const hub = packingHub();
      await fill(hub);
      const clients = await many(hub, 30, `topic=t&from=oldest&wire=${wire}`);
      const { packed, plainBytes, sentBytes } = compressionOf(hub);
      expect(packed).toBeGreaterThanOrEqual(plainBytes / 30 / 65_536);
      expect(packed).toBeLessThan(14);
      expect(sentBytes).toBeLessThan(plainBytes / 4);
      for (const client of clients) expect(client.text.match(/message \d+/g)?.length).toBe(3700);
    },
  );

  test("counts its blocks in the memory of the logs, which frees them when it is full and when the clients have left", async () => {
    const hub = packingHub();
    await fill(hub);
    await open(hub, "topic=t&from=oldest");
    const before = hub.stats().logBytes;
    const [client] = await many(hub, 1, "topic=t&from=oldest");
    expect(hub.stats().logBytes).toBeGreaterThan(before + 20_000);
    client?.connection.gone();
    expect(hub.stats().logBytes).toBe(before);
  });
});

describe("the budget", () => {
  beforeEach(() => vi.restoreAllMocks());

  test("stores passes to few clients once packing has used up its share of time", async () => {
    let time = 0;
    const hub = packingHub({ flushSliceMs: 2_000_000_000 });
    const clients = await Promise.all(Array.from({ length: 100 }, (_, i) => PackedClient.open(hub, `topic=t${i}`)));
    // Each reading takes 1 ms, so that a pass takes a few.
    vi.spyOn(performance, "now").mockImplementation(() => (time += 1));
    for (let i = 0; i < 100; i += 1) void hub.topic(`t${i}`).publish(price(i));
    await flushed();
    const { packed, overBudget, packingMs } = compressionOf(hub);
    expect(packed + overBudget).toBe(100);
    expect(packingMs).toBeLessThanOrEqual(10 + time / 100 + 1);
    expect(overBudget).toBeGreaterThan(10);
    clients.forEach(({ messages }, i) => expect(messages).toEqual([price(i)]));
    for (let i = 0; i < 100; i += 1) void hub.topic(`t${i}`).publish(price(i + 1));
    await flushed();
    clients.forEach(({ messages }, i) => expect(messages).toEqual(prices(i, i + 2)));
  });

  test("rests a group that it cannot pack, for a second, and the other groups go on", async () => {
    let time = 1000;
    vi.spyOn(performance, "now").mockImplementation(() => time);
    const isLeft = vi.spyOn(PackingBudget.prototype, "isLeft", "get").mockReturnValue(true);
    const hub = packingHub();
    const [client] = await many(hub, 1);
    const counts = (): number[] => [compressionOf(hub).packed, compressionOf(hub).overBudget];
    await publish(hub, 0, 2);
    const { logBytes } = hub.stats();
    isLeft.mockReturnValue(false);
    await publish(hub, 2, 3);
    expect(counts()).toEqual([2, 1]);
    // The window is free. Two messages and their positions take far less.
    expect(hub.stats().logBytes).toBeLessThan(logBytes);
    isLeft.mockReturnValue(true);
    time += 999;
    await publish(hub, 3, 5);
    expect(counts()).toEqual([2, 3]);
    const [other] = await many(hub, 1, "topic=u");
    await publish(hub, 0, 1, "u");
    expect(counts()).toEqual([3, 3]);
    time += 1;
    await publish(hub, 5, 8);
    expect(counts()).toEqual([6, 3]);
    // Its first pass refers to nothing, and the others to it.
    const sizes = client?.sink.bytes.slice(-3).map(({ length }) => length) as [number, number, number];
    expect(sizes[1]).toBeLessThan(sizes[0] / 3);
    await hub.close({ drainMs: 0 });
    expect([client?.messages, other?.messages]).toEqual([prices(0, 8), prices(0, 1)]);
  });

  test("does not bind passes to many clients", async () => {
    const hub = packingHub({ flushSliceMs: 2_000_000_000 });
    const clients = await many(hub, 100);
    await publish(hub, 0, 1);
    vi.spyOn(PackingBudget.prototype, "isLeft", "get").mockReturnValue(false);
    await publish(hub, 1, 30);
    expect(compressionOf(hub)).toMatchObject({ packed: 30, overBudget: 0 });
    expect(clients[99]?.messages).toEqual(prices(0, 30));
  });

  test("of backlogs is another one, which strangers cannot take from passes", async () => {
    const hub = packingHub({ flushSliceMs: 2_000_000_000 });
    for (let i = 0; i < 400; i += 1) await hub.topic("t").publish(price(i));
    let time = performance.now();
    vi.spyOn(performance, "now").mockImplementation(() => (time += 1));
    for (let i = 400; i > 10; i -= 1) await PackedClient.open(hub, `topic=t&from=last:${i}&wire=sse`);
    const { overBudget, packed } = compressionOf(hub);
    expect(overBudget).toBeGreaterThan(0);
    await many(hub, 1, "topic=u");
    await publish(hub, 0, 1, "u");
    expect(compressionOf(hub)).toMatchObject({ overBudget, packed: packed + 1 });
  });
});

describe("limits in bytes", () => {
  test("count what is sent before it is compressed", async () => {
    const ends = await Promise.all(
      [true, false].map(async (compression) => {
        const hub = packingHub({ compression, maxConnectionBytes: 4096 });
        const sink = compression ? (await PackedClient.open(hub, "topic=t")).sink : (await open(hub, "topic=t")).sink;
        let count = 0;
        for (; sink.state === "open"; count += 1) await publish(hub, count, count + 1);
        return count;
      }),
    );
    expect(ends[0]).toBe(ends[1]);
    expect(ends[0]).toBeGreaterThan(10);
  });
});

test("a body that ends has a trailer, whatever it ends with", async () => {
  const hub = packingHub({ overflow: "skip" });
  const sinks = new Map<string, PackedClient>();
  for (const [name, query] of Object.entries({
    caughtUp: "topic=t",
    finite: "topic=f",
    backlog: "topic=t&from=oldest",
    slow: "topic=t",
  })) {
    if (name === "finite") void hub.topic("f", { finite: true });
    sinks.set(name, await PackedClient.open(hub, query));
  }
  await publish(hub, 0, 10);
  const slow = sinks.get("slow") as PackedClient;
  slow.sink.full = true;
  await publish(hub, 10, 20);
  await hub.topic<string>("f", { finite: true }).publish("all");
  await hub.topic("f", { finite: true }).end();
  await flushed();
  await hub.close({ drainMs: 0 });
  for (const [name, client] of sinks) {
    expect(client.sink.state, name).toBe("ended");
    expect(client.text, name).toContain('{"end":');
  }
  expect(sinks.get("finite")?.messages).toEqual(["all"]);
  expect(sinks.get("backlog")?.messages).toEqual(prices(0, 20));
});

test("a hub without the option compresses nothing, and has no figures of it", async () => {
  const hub = new Hub(calm);
  await expect(PackedClient.open(hub, "topic=t")).rejects.toThrow("The response is plain.");
  expect(hub.stats()).not.toHaveProperty("compression");
  expect(new FakeSink().state).toBe("open");
});

/** Backlogs that are not read from the tapes of a log: conflated ones, and pages of older messages of a broker. */
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { MemoryBrokers } from "../../../../src/brokers/memory/memory-brokers.ts";
import { Hub, type HubOptions } from "../../../../src/index.ts";
import { flushed } from "../../../support/fake-sink.ts";
import { FaultyBroker } from "../../../support/faulty-broker.ts";
import { allowAllPacking, compressionOf, PackedClient } from "../../../support/packed-client.ts";
import { until } from "../../../support/sources.ts";

beforeEach(allowAllPacking);
afterEach(() => vi.restoreAllMocks());

const READERS = 20;
const KEYS = 300;
const calm: HubOptions = { heartbeatMs: 0, stallMs: 2_000_000_000, maxConnectionAgeMs: 2_000_000_000 };
const price = (i: number): string => `price ${i}: ${"kiki foo bar ".repeat(4)}`;
const many = (hub: Hub, query: string, count = READERS): Promise<PackedClient[]> =>
  Promise.all(Array.from({ length: count }, () => PackedClient.open(hub, query)));

describe("a backlog of the policy latest", () => {
  const conflatingHub = (): Hub => new Hub({ ...calm, compression: true, topics: () => ({ overflow: "latest" }) });
  const publish = (hub: Hub, from: number, to: number): void => {
    for (let i = from; i < to; i += 1) void hub.topic<string>("t").publish(price(i), { key: String(i % KEYS) });
  };
  const numbers = ({ messages }: PackedClient): number[] =>
    messages.map((text) => Number(/\d+/.exec(String(text))?.[0]));
  const expected = (from: number): number[] => Array.from({ length: KEYS }, (_, i) => from + i);

  test("is packed once for all clients of the same position, each after its own gap", async () => {
    const hub = conflatingHub();
    publish(hub, 0, 4 * KEYS);
    await flushed();
    const clients = await many(hub, "topic=t&from=oldest");
    const { packed, plainBytes, sentBytes } = compressionOf(hub);
    expect(packed).toBe(1);
    expect(sentBytes).toBeLessThan(plainBytes / 4);
    await hub.close({ drainMs: 0 });
    for (const client of clients) {
      expect(numbers(client)).toEqual(expected(3 * KEYS));
      expect(client.lines.find((line) => "gap" in line)).toMatchObject({ gap: { missed: 3 * KEYS } });
      // The gap is not compressed, so that its size says nothing about the messages.
      expect(client.bytes.toString("latin1")).toContain('{"gap":');
      expect(client.bytes.toString("latin1")).not.toContain(price(4 * KEYS - 1));
    }
  });

  test("is packed anew once newer messages have made others of it stale", async () => {
    const hub = conflatingHub();
    publish(hub, 0, 2 * KEYS);
    await flushed();
    const [early] = (await many(hub, "topic=t&from=oldest", 1)) as [PackedClient];
    early.sink.full = true;
    publish(hub, 2 * KEYS, 2 * KEYS + 10);
    await flushed();
    const [late] = (await many(hub, "topic=t&from=oldest", 1)) as [PackedClient];
    await hub.close({ drainMs: 0 });
    expect(numbers(late)).toEqual(expected(KEYS + 10));
  });
});

test("a page of older messages is packed once for all clients that read it", async () => {
  const shared = new MemoryBrokers();
  const broker = new FaultyBroker(shared.join(), { page: 500 });
  const hub = new Hub({ ...calm, compression: true, broker, log: { maxEntries: 10 }, history: { maxEntries: 5000 } });
  for (let i = 0; i < 1500; i += 1) await hub.topic<string>("t").publish(price(i));
  const clients = await many(hub, "topic=t&from=oldest");
  await until(() => clients.every(({ messages }) => messages.length === 1500));
  const { packed, plainBytes, sentBytes } = compressionOf(hub);
  expect(packed).toBeLessThanOrEqual(6);
  expect(sentBytes).toBeLessThan(plainBytes / 4);
  await hub.close({ drainMs: 0 });
  for (const { messages } of clients) expect(messages).toEqual(Array.from({ length: 1500 }, (_, i) => price(i)));
});

test("the pieces that are held are few, however many places clients ask for", async () => {
  const hub = new Hub({ ...calm, compression: true, topics: () => ({ overflow: "latest" }) });
  for (let i = 0; i < 1000; i += 1) void hub.topic<string>("t").publish(price(i));
  await flushed();
  const [bystander] = (await many(hub, "topic=t", 1)) as [PackedClient];
  const before = hub.stats().logBytes;
  for (let i = 900; i > 100; i -= 1) {
    const client = await PackedClient.open(hub, `topic=t&from=last:${i}`);
    client.connection.gone();
  }
  expect(compressionOf(hub).packed).toBeGreaterThan(700);
  // Sixteen pieces, each of less than 8 KiB.
  expect(hub.stats().logBytes).toBeLessThan(before + 200_000);
  bystander.connection.gone();
});

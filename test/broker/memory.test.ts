import { afterEach, describe, expect, test, vi } from "vitest";
import { MemoryBrokers } from "../../src/brokers/memory/index.ts";
import type { Broker, History } from "../../src/log/broker.ts";
import { turns } from "../support/sources.ts";
import { publication } from "./contract-world.ts";
import { brokerContract, type BrokerWorld } from "./contract.ts";

/** Brokers of one process that share their topics. */
function memoryWorld(): Promise<BrokerWorld> {
  const memory = new MemoryBrokers();
  const brokers: Broker[] = [];
  return Promise.resolve({
    connect: () => {
      const broker = memory.join();
      brokers.push(broker);
      return Promise.resolve(broker);
    },
    close: async () => {
      for (const broker of brokers) await broker.close();
    },
  });
}

brokerContract("memory", memoryWorld, { hasServer: false, keepsFinite: true });

describe("the memory broker", () => {
  afterEach(() => void vi.useRealTimers());

  const bounds = { maxEntries: 5, maxBytes: 1000, maxAgeMs: 1000 };

  function joined(memory = new MemoryBrokers()): { broker: Broker; told: string[] } {
    const broker = memory.join();
    const told: string[] = [];
    broker.attach({
      lost: () => told.push("lost"),
      restored: () => told.push("restored"),
      signalled: (text) => told.push(text),
      ignored: ({ message }) => told.push(message),
    });
    return { broker, told };
  }

  const offsetsOf = (history: History): number[] => history.messages.map(({ offset }) => offset);

  test("holds exactly maxEntries", async () => {
    const { broker } = joined();
    for (let i = 1; i <= 12; i += 1) {
      await broker.publish("t", publication("1"), bounds);
      const history = await broker.read("t", 0, bounds, Infinity);
      const floor = Math.max(0, i - 5);
      expect(history).toMatchObject({ floor, head: i });
      expect(offsetsOf(history)).toEqual(Array.from({ length: i - floor }, (_, at) => floor + at + 1));
    }
  });

  test("holds exactly maxBytes, and a larger message alone", async () => {
    const { broker } = joined();
    const many = { ...bounds, maxEntries: 100 };
    const floorAfter = async (size: number): Promise<number> => {
      await broker.publish("t", publication(`"${"x".repeat(size - 2)}"`), many);
      return (await broker.read("t", 0, many, Infinity)).floor;
    };
    expect([await floorAfter(400), await floorAfter(600), await floorAfter(3)]).toEqual([0, 0, 1]);
    expect([await floorAfter(397), await floorAfter(601), await floorAfter(5000)]).toEqual([1, 3, 5]);
    expect(offsetsOf(await broker.read("t", 0, many, Infinity))).toEqual([6]);
  });

  test("holds a message, and remembers its id, for exactly maxAgeMs", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { broker } = joined();
    const first = await broker.publish("t", publication("1", { messageId: "a" }), bounds);
    vi.advanceTimersByTime(1000);
    expect(offsetsOf(await broker.read("t", 0, bounds, Infinity))).toEqual([1]);
    expect(await broker.publish("t", publication("2", { messageId: "a" }), bounds)).toEqual(first);
    vi.advanceTimersByTime(1);
    expect(await broker.read("t", 0, bounds, Infinity)).toMatchObject({ floor: 1, head: 1, messages: [] });
    expect(await broker.publish("t", publication("3", { messageId: "a" }), bounds)).toEqual({ ...first, offset: 2 });
  });

  test("trims messages that are too old when another is published", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { broker } = joined();
    const patient = { ...bounds, maxAgeMs: 100_000 };
    for (let i = 0; i < 3; i += 1) await broker.publish("t", publication("1"), bounds);
    vi.advanceTimersByTime(1001);
    expect(offsetsOf(await broker.read("t", 0, patient, Infinity))).toEqual([1, 2, 3]);
    await broker.publish("t", publication("1"), bounds);
    expect(await broker.read("t", 0, patient, Infinity)).toMatchObject({ floor: 3, messages: [{ offset: 4 }] });
  });

  test("never sets its clock back", async () => {
    vi.useFakeTimers({ toFake: ["Date"], now: 50_000 });
    const { broker } = joined();
    await broker.publish("t", publication("1"), bounds);
    vi.setSystemTime(20_000);
    await broker.publish("t", publication("2"), bounds);
    const { messages, now } = await broker.read("t", 0, bounds, Infinity);
    expect([...messages.map(({ at }) => at), now]).toEqual([50_000, 50_000, 50_000]);
  });

  test("reads in pages, by entries and by bytes", async () => {
    const { broker } = joined();
    const wide = { maxEntries: 5000, maxBytes: 2 ** 26, maxAgeMs: 100_000 };
    for (let i = 0; i < 1200; i += 1) await broker.publish("many", publication("1"), wide);
    expect(offsetsOf(await broker.read("many", 100, wide, Infinity))).toHaveLength(500);
    for (let i = 0; i < 9; i += 1) await broker.publish("large", publication(`"${"x".repeat(99_998)}"`), wide);
    expect(offsetsOf(await broker.read("large", 4, wide, Infinity))).toEqual([5, 6]);
  });

  test("evicts topics that have been unused for long, and no others", async () => {
    vi.useFakeTimers({ toFake: ["Date"] });
    const { broker } = joined();
    const epochs = async (): Promise<string[]> => [
      (await broker.read("followed", 0, bounds, Infinity)).epoch,
      (await broker.read("recent", 0, bounds, Infinity)).epoch,
      (await broker.read("idle", 0, bounds, Infinity)).epoch,
    ];
    await broker.listen("followed", () => undefined);
    const before = await epochs();
    for (const topic of ["followed", "recent", "idle"]) await broker.publish(topic, publication("1"), bounds);
    vi.advanceTimersByTime(900);
    await broker.publish("recent", publication("2"), bounds);
    vi.advanceTimersByTime(101);
    // Eviction begins when there are many topics.
    for (let i = 0; i < 100; i += 1) await broker.publish(`other ${i}`, publication("1"), bounds);
    const after = await epochs();
    expect(after.slice(0, 2)).toEqual(before.slice(0, 2));
    expect(after[2]).not.toBe(before[2]);
    expect(await broker.read("idle", 0, bounds, Infinity)).toMatchObject({ floor: 0, head: 0, messages: [] });
  });

  test("keeps two sets of brokers apart", async () => {
    const [one, other] = [joined(), joined()];
    const { epoch } = await one.broker.publish("t", publication("1"), bounds);
    const history = await other.broker.read("t", 0, bounds, Infinity);
    expect(history.head).toBe(0);
    expect(history.epoch).not.toBe(epoch);
    one.broker.signal("one");
    await turns();
    expect([one.told, other.told]).toEqual([["one"], []]);
  });

  test("delivers queued events in one turn, and those that they cause in the next", async () => {
    const memory = new MemoryBrokers();
    const [one, other] = [joined(memory), joined(memory)];
    let told = 0;
    // A broker that did not yield would never end.
    await one.broker.listen("ping", () => {
      if ((told += 1) < 1000) void one.broker.publish("pong", publication("1"), bounds);
    });
    await other.broker.listen("pong", () => void other.broker.publish("ping", publication("1"), bounds));
    await other.broker.publish("ping", publication("1"), bounds);
    await turns(3);
    expect(told).toBeGreaterThan(0);
    expect(told).toBeLessThan(10);
    one.broker.unlisten("ping");
  });

  test("delivers notices and signals in the order of the calls", async () => {
    const { broker, told } = joined();
    await broker.listen("t", ({ message }) => told.push(message.json));
    void broker.publish("t", publication("1"), bounds);
    broker.signal("two");
    void broker.publish("t", publication("3"), bounds);
    expect(told).toEqual([]);
    await turns();
    expect(told).toEqual(["1", "two", "3"]);
  });
});

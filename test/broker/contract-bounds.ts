import { expect, test } from "vitest";
import type { History } from "../../src/log/broker.ts";
import type { Position } from "../../src/log/position.ts";
import {
  freshTopic,
  inFlight,
  useProcesses,
  wide,
  type BrokerTraits,
  type BrokerWorld,
  type Process,
} from "./contract-world.ts";

/** The number of messages by which a broker may exceed its bounds. */
const LITTLE_MORE = 256;

/** A topic is trimmed to its bounds, oldest first, and `floor` reports it. */
export function boundsContract(open: () => Promise<BrokerWorld>, { trimsByBytes }: BrokerTraits): void {
  const processes = useProcesses(open);

  test("trims by entries, holds the newest and reports the others in floor", async () => {
    const { a, b, c } = processes;
    for (const maxEntries of [1, 7, 100]) {
      const few = { ...wide, maxEntries };
      const topic = freshTopic("entries");
      const positions = await inFlight(800, 40, (i) => (i % 2 === 0 ? a : b).publish(topic, String(i), few));
      const history = await c.readAll(topic, 0, few);
      expectSuffix(history, positions);
      expect(history.messages.length).toBeGreaterThanOrEqual(maxEntries);
      expect(history.messages.length).toBeLessThanOrEqual(maxEntries + LITTLE_MORE);
    }
  });

  test("holds as many messages as the bounds allow", async () => {
    const { a, b } = processes;
    const topic = freshTopic("exact");
    const bounds = { ...wide, maxEntries: 50, maxBytes: 50 * 10 };
    const positions = await inFlight(50, 10, () => a.publish(topic, '"12345678"', bounds));
    const history = await b.readAll(topic, 0, bounds);
    expectSuffix(history, positions);
    expect(history.messages).toHaveLength(50);
    expect(history.floor).toBeLessThan(history.messages[0]?.offset as number);
  });

  test("trims by bytes", async () => {
    const { a, b, c } = processes;
    const topic = freshTopic("bytes");
    const little = { ...wide, maxBytes: 100_000 };
    const json = JSON.stringify("é".repeat(499));
    const positions = await inFlight(600, 40, (i) => (i % 2 === 0 ? a : b).publish(topic, json, little));
    const history = await c.readAll(topic, 0, little);
    expectSuffix(history, positions);
    expect(history.messages.length).toBeGreaterThanOrEqual(100);
    if (trimsByBytes) expect(history.messages.length).toBeLessThanOrEqual(100 + LITTLE_MORE);
    else expect(history.messages).toHaveLength(positions.length);
  });

  test("holds a message alone that is larger than maxBytes", async () => {
    const { a, b } = processes;
    const topic = freshTopic("giant");
    const little = { ...wide, maxBytes: 2000 };
    const positions: Position[] = [];
    for (let i = 0; i < 3; i += 1) positions.push(await a.publish(topic, '"small"', little));
    positions.push(await a.publish(topic, JSON.stringify("x".repeat(50_000)), little));
    const history = await b.readAll(topic, 0, little);
    expectSuffix(history, positions);
    expect(history.messages.at(-1)?.offset).toBe(positions.at(-1)?.offset);
  });

  test("trims by age, reports it in floor and never reuses an offset", async () => {
    const { a, b } = processes;
    const topic = freshTopic("age");
    const brief = { ...wide, maxAgeMs: 400 };
    const positions = await inFlight(5, 1, (i) => a.publish(topic, String(i), brief));
    const last = positions.at(-1) as Position;
    expect((await b.readAll(topic, 0, brief)).messages).toHaveLength(5);
    const gone = await untilEmpty(b, topic, brief);
    if (gone.epoch === last.epoch) {
      expect(gone.floor).toBeGreaterThanOrEqual(last.offset);
      // The same for a process that had some of the messages.
      expect((await a.read(topic, (positions[2] as Position).offset, brief)).floor).toBeGreaterThanOrEqual(last.offset);
    }
    const next = await b.publish(topic, '"next"', brief);
    if (next.epoch === last.epoch) expect(next.offset).toBeGreaterThan(last.offset);
    expect((await a.readAll(topic, gone.head, brief)).messages.map(({ json }) => json)).toEqual(['"next"']);
  });

  test("trims by age, and keeps younger messages", async () => {
    const { a, b } = processes;
    const topic = freshTopic("young");
    const brief = { ...wide, maxAgeMs: 1500 };
    const old = await inFlight(4, 1, (i) => a.publish(topic, String(i), brief));
    await new Promise((resolve) => setTimeout(resolve, 900));
    const young = await inFlight(4, 1, (i) => b.publish(topic, String(i), brief));
    const youngest = Date.now();
    let history = await b.readAll(topic, 0, brief);
    while (history.floor < (old.at(-1) as Position).offset && Date.now() - youngest < 1400) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      history = await b.readAll(topic, 0, brief);
      if (Date.now() - youngest < 1400) expectSuffix(history, [...old, ...young]);
    }
    expect(history.messages.map(({ offset }) => offset)).toEqual(young.map(({ offset }) => offset));
  });

  test("reports a gap only to a process that may have missed a message", async () => {
    const { a, b } = processes;
    const topic = freshTopic("current");
    const brief = { ...wide, maxAgeMs: 400 };
    const [one, two] = [await a.publish(topic, "1", brief), await a.publish(topic, "2", brief)];
    const gone = await untilEmpty(b, topic, brief);
    // This process had both messages a moment ago.
    const quiet = await b.read(topic, two.offset, brief, 0);
    if (gone.epoch === two.epoch) expect([quiet.epoch, quiet.floor <= two.offset]).toEqual([two.epoch, true]);
    // This process had the first message long ago: the second may have come and gone since.
    const late = await b.read(topic, one.offset, brief, 60_000);
    expect(late.epoch !== one.epoch || late.floor >= two.offset).toBe(true);
    const few = { ...wide, maxEntries: 2 };
    const crowded = freshTopic("crowded");
    const began = performance.now();
    const had = await a.publish(crowded, '"had"', few);
    await inFlight(700, 50, (i) => a.publish(crowded, String(i), few));
    const after = await b.read(crowded, had.offset, few, Math.ceil(performance.now() - began));
    expect(after.floor).toBeGreaterThan(had.offset);
  });

  /** Reads until no message is held. */
  async function untilEmpty(process: Process, topic: string, bounds: typeof wide): Promise<History> {
    let history: History | undefined;
    const end = performance.now() + 8000;
    while (history === undefined || history.messages.length > 0) {
      if (performance.now() > end) expect.fail("messages that are too old are still held");
      history = await process.read(topic, 0, bounds);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
    return history;
  }
}

/** Expects the held messages to be the newest of those published, and all others to be at or before `floor`. */
function expectSuffix({ floor, head, messages }: History, positions: readonly Position[]): void {
  const offsets = positions.map(({ offset }) => offset).sort((x, y) => x - y);
  const held = messages.map(({ offset }) => offset);
  expect(held).toEqual(offsets.slice(offsets.length - held.length));
  for (const offset of offsets)
    if (offset > floor && !held.includes(offset)) expect.fail(`${offset} is missing after ${floor}`);
  expect(head).toBeGreaterThanOrEqual(offsets.at(-1) as number);
}

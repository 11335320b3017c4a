import { expect, test } from "vitest";
import { until } from "../support/sources.ts";
import { expectChain, freshTopic, inFlight, useProcesses, type BrokerWorld } from "./contract-world.ts";

/** One order for all processes, as `read` returns it. */
export function orderContract(open: () => Promise<BrokerWorld>): void {
  const processes = useProcesses(open);

  test("assigns growing offsets in one epoch", async () => {
    const { a, b } = processes;
    const topic = freshTopic("grow");
    let last = 0;
    const epochs = new Set<string>();
    for (let i = 0; i < 20; i += 1) {
      const { epoch, offset } = await (i % 2 === 0 ? a : b).publish(topic, String(i));
      if (a.broker.isDense) expect(offset).toBe(last + 1);
      else expect(offset).toBeGreaterThan(last);
      last = offset;
      epochs.add(epoch);
    }
    expect(epochs.size).toBe(1);
    expect(epochs.has((await processes.c.read(topic)).epoch)).toBe(true);
  });

  test("reads an unknown topic as empty, with the epoch of its first message", async () => {
    const { a, b, c } = processes;
    const topic = freshTopic("unknown");
    const [one, other] = await Promise.all([a.read(topic), b.read(topic)]);
    expect(one.messages).toEqual([]);
    expect(other.epoch).toBe(one.epoch);
    if (a.broker.isDense) expect([one.floor, one.head]).toEqual([0, 0]);
    const position = await c.publish(topic, '"first"');
    expect(position.epoch).toBe(one.epoch);
    expect(position.offset).toBeGreaterThan(one.head);
    expect((await a.read(topic, one.head)).messages.map(({ offset }) => offset)).toEqual([position.offset]);
  });

  test("begins one epoch when processes begin a topic at the same time", async () => {
    const { a, b, c } = processes;
    for (let round = 0; round < 20; round += 1) {
      const topic = freshTopic("race");
      const positions = await Promise.all([a, b, c].map((process, i) => process.publish(topic, String(i))));
      const { epoch, messages } = await a.readAll(topic);
      expect(new Set(positions.map((position) => position.epoch))).toEqual(new Set([epoch]));
      expect(messages.map(({ offset }) => offset)).toEqual(positions.map(({ offset }) => offset).sort((x, y) => x - y));
    }
  });

  test("keeps the order of messages that are published without waiting", async () => {
    const { a, b } = processes;
    const topic = freshTopic("unwaited");
    const count = 200;
    const positions = await Promise.all(Array.from({ length: count }, (_, i) => a.publish(topic, String(i))));
    const { messages } = await b.readAll(topic);
    expect(messages.map(({ json }) => json)).toEqual(Array.from({ length: count }, (_, i) => String(i)));
    expect(messages.map(({ offset }) => offset)).toEqual(positions.map(({ offset }) => offset));
  });

  test("shows all processes one order of what two publish at full speed, and reports each hole", async () => {
    const { a, b, c } = processes;
    const topic = freshTopic("speed");
    const count = 2500;
    const all = [a, b, c];
    const ears = await Promise.all(all.map((process) => process.listen(topic)));
    const positions = await Promise.all(
      [a, b].map((process, who) => inFlight(count, 100, (i) => process.publish(topic, `[${who},${i}]`))),
    );
    const total = await c.readAll(topic);
    expect(total.messages).toHaveLength(2 * count);
    if (a.broker.isDense)
      expect(total.messages.map(({ offset }) => offset)).toEqual([...Array(2 * count + 1).keys()].slice(1));
    for (const [who, mine] of positions.entries()) {
      expect(new Set(mine.map(({ epoch }) => epoch))).toEqual(new Set([total.epoch]));
      const own = total.messages.filter(({ json }) => json.startsWith(`[${who},`));
      expect(own.map(({ json }) => json)).toEqual(mine.map((_, i) => `[${who},${i}]`));
      expect(own.map(({ offset }) => offset)).toEqual(mine.map(({ offset }) => offset));
    }
    for (const process of [a, b]) expect((await process.readAll(topic)).messages).toEqual(total.messages);
    const end = await a.publish(topic, '"end"');
    await until(() => ears.every((ear) => ear.offsets.at(-1) === end.offset));
    const everything = (await a.readAll(topic)).messages;
    const byOffset = new Map(everything.map((message) => [message.offset, message]));
    for (const [i, ear] of ears.entries()) {
      // A notice that a listener missed is shown by the next one: with those filled in, it has all messages.
      expectChain(ear, everything);
      for (const { epoch, message } of ear.notices) {
        expect(epoch).toBe(total.epoch);
        expect(message).toEqual(byOffset.get(message.offset));
      }
      (all[i] as (typeof all)[number]).unlisten(topic, ear);
    }
  });

  test("returns a message to every process once publish has resolved", async () => {
    const { a, b, c } = processes;
    const topic = freshTopic("visible");
    const rounds = inFlight(150, 5, async (i) => {
      const publisher = [a, b, c][i % 3] as typeof a;
      const { offset } = await publisher.publish(topic, String(i));
      const histories = await Promise.all([a, b, c].map((process) => process.read(topic, offset - 1)));
      for (const { head, messages } of histories) {
        expect(messages[0]).toMatchObject({ offset, json: String(i) });
        expect(head).toBeGreaterThanOrEqual(offset);
      }
    });
    await rounds;
  });

  test("reads from any offset to the newest", async () => {
    const { a, b } = processes;
    const topic = freshTopic("anywhere");
    const positions = await inFlight(40, 10, (i) => a.publish(topic, String(i)));
    const offsets = positions.map(({ offset }) => offset).sort((x, y) => x - y);
    const newest = offsets.at(-1) as number;
    for (const after of new Set([0, ...offsets, ...offsets.map((offset) => offset - 1)])) {
      const { messages, head } = await b.readAll(topic, after);
      expect(messages.map(({ offset }) => offset)).toEqual(offsets.filter((offset) => offset > after));
      expect(head).toBeGreaterThanOrEqual(newest);
    }
    // As a process asks that has messages which the broker has lost.
    const beyond = await b.read(topic, newest + 1_000_000);
    expect(beyond.messages).toEqual([]);
    expect(beyond.head).toBeGreaterThanOrEqual(newest);
    expect(beyond.head).toBeLessThan(newest + 1_000_000);
  });

  test("reads thousands of messages, and large ones, in pages without a loss", async () => {
    const { a, b } = processes;
    const topic = freshTopic("pages");
    const sizeOf = (i: number): number => (i % 1900 === 1 ? 300_000 : i % 40 === 0 ? 60_000 : 10 + (i % 50));
    const json = (i: number): string => JSON.stringify(`${i}:`.padEnd(sizeOf(i), "é"));
    const count = 4000;
    await inFlight(count, 50, (i) => a.publish(topic, json(i)));
    const { messages, floor } = await b.readAll(topic);
    expect(floor < (messages[0]?.offset ?? 0)).toBe(true);
    const indexes = messages.map((message) => Number.parseInt(message.json.slice(1), 10));
    expect(new Set(indexes).size).toBe(count);
    for (const [at, index] of indexes.entries())
      if (messages[at]?.json !== json(index)) expect.fail(`${index} is damaged`);
    const middle = messages[1234]?.offset as number;
    expect((await a.readAll(topic, middle)).messages).toEqual(messages.slice(1235));
  });

  test("keeps topics apart", async () => {
    const { a, b } = processes;
    const [one, other] = [freshTopic("one"), freshTopic("other")];
    await inFlight(60, 20, (i) => (i % 3 === 0 ? a : b).publish(i % 2 === 0 ? one : other, String(i)));
    const read = await Promise.all([b.readAll(one), a.readAll(other)]);
    for (const [odd, { messages }] of read.entries()) {
      expect(messages.map(({ json }) => Number(json) % 2)).toEqual(new Array(30).fill(odd));
      if (a.broker.isDense) expect(messages.at(-1)?.offset).toBe(30);
    }
  });
}

import { expect, test } from "vitest";
import { until } from "../support/sources.ts";
import {
  expectChain,
  freshTopic,
  inFlight,
  publication,
  useProcesses,
  wide,
  type BrokerWorld,
} from "./contract-world.ts";

/** A message is published once for each id. */
export function messageIdContract(open: () => Promise<BrokerWorld>): void {
  const processes = useProcesses(open);

  test("publishes once what two processes publish at the same time, and returns one position to both", async () => {
    const { a, b, c } = processes;
    const topic = freshTopic("twice");
    const ear = await c.listen(topic);
    const count = 100;
    const pairs = await inFlight(count, 10, (i) => {
      const messageId = `id ${i}`;
      return Promise.all([
        a.publish(topic, publication(`"a${i}"`, { messageId })),
        b.publish(topic, publication(`"b${i}"`, { messageId })),
        a.publish(topic, publication(`"A${i}"`, { messageId })),
      ]);
    });
    const { epoch, messages } = await c.readAll(topic);
    expect(messages).toHaveLength(count);
    for (const [i, positions] of pairs.entries()) {
      const message = messages.find(({ messageId }) => messageId === `id ${i}`);
      expect(positions).toEqual(new Array(3).fill({ epoch, offset: message?.offset }));
      expect([`"a${i}"`, `"b${i}"`]).toContain(message?.json);
    }
    const again = await inFlight(count, 10, (i) => b.publish(topic, publication('"again"', { messageId: `id ${i}` })));
    expect(again).toEqual(pairs.map(([position]) => position));
    const end = await a.publish(topic, '"end"');
    await until(() => ear.offsets.at(-1) === end.offset);
    const all = (await a.readAll(topic)).messages;
    expect(all).toHaveLength(count + 1);
    expectChain(ear, all);
    c.unlisten(topic, ear);
  });

  test("deduplicates ids within their topic only", async () => {
    const { a, b } = processes;
    const base = freshTopic("");
    // Topic and id give the same text for some separator.
    for (const join of [":", ".", "/", " ", "|", "}", "\u0001", ""]) {
      const pairs = [
        [`t${base}`, `a${join}b`],
        [`t${base}${join.replace("\u0001", "-")}a`, "b"],
      ] as const;
      for (const [topic, id] of pairs) {
        const messageId = `${id}${join}`;
        const first = await a.publish(topic, publication('"1"', { messageId }));
        expect(await b.publish(topic, publication('"2"', { messageId }))).toEqual(first);
        const { messages } = await a.readAll(topic);
        expect(messages.filter((message) => message.messageId === messageId)).toHaveLength(1);
      }
    }
    const [one, other] = [freshTopic("one"), freshTopic("other")];
    await a.publish(one, publication('"one"', { messageId: "same" }));
    await b.publish(other, publication('"other"', { messageId: "same" }));
    expect((await b.readAll(one)).messages.map(({ json }) => json)).toEqual(['"one"']);
    expect((await a.readAll(other)).messages.map(({ json }) => json)).toEqual(['"other"']);
  });

  test("distinguishes ids that look alike", async () => {
    const { a, b } = processes;
    const topic = freshTopic("alike");
    const ids = ["a", "A", "a ", " a", "é", "e\u0301", "1", "01", "1.0", "%61", "\ufeffa", "aa"];
    for (const messageId of ids) await a.publish(topic, publication("1", { messageId }));
    for (const messageId of ids) await b.publish(topic, publication("2", { messageId }));
    expect((await b.readAll(topic)).messages.map(({ messageId }) => messageId)).toEqual(ids);
  });

  test("remembers an id after its message has been trimmed", async () => {
    const { a, b } = processes;
    const topic = freshTopic("outlives");
    const few = { ...wide, maxEntries: 5 };
    const first = await a.publish(topic, publication('"first"', { messageId: "kept" }), few);
    await inFlight(600, 50, (i) => a.publish(topic, String(i), few));
    const before = await b.readAll(topic, 0, few);
    expect(before.floor).toBeGreaterThanOrEqual(first.offset);
    expect(await b.publish(topic, publication('"again"', { messageId: "kept" }), few)).toEqual(first);
    expect((await a.readAll(topic, before.head, few)).messages).toEqual([]);
    expect((await b.publish(topic, '"next"', few)).offset).toBeGreaterThan(before.head);
  });
}

import { expect, test } from "vitest";
import type { Notice } from "../../src/log/broker.ts";
import { until } from "../support/sources.ts";
import { freshTopic, inFlight, useProcesses, type BrokerTraits, type BrokerWorld } from "./contract-world.ts";

/** A topic has one epoch until it is renewed. */
export function renewContract(open: () => Promise<BrokerWorld>, { renewsTopics }: BrokerTraits): void {
  const processes = useProcesses(open);

  test("begins another epoch on renew, for every process and in notices", async () => {
    const { a, b, c } = processes;
    const topic = freshTopic("renewed");
    const all = [a, b, c];
    const ears = await Promise.all(all.map((process) => process.listen(topic)));
    const old = await inFlight(5, 1, (i) => (all[i % 3] as typeof a).publish(topic, String(i)));
    const { epoch } = old[0] as (typeof old)[0];
    await b.renew(topic, epoch);
    const renewed = await Promise.all(all.map((process) => process.read(topic)));
    const next = renewed[0]?.epoch as string;
    expect(next).not.toBe(epoch);
    for (const history of renewed) expect(history).toMatchObject({ epoch: next, head: renewed[0]?.head });
    const positions = await inFlight(6, 1, (i) => (all[i % 3] as typeof a).publish(topic, `"new ${i}"`));
    const { messages, ...history } = await c.readAll(topic);
    expect(history.epoch).toBe(next);
    expect(messages.map(({ json }) => json)).toEqual(positions.map((_, i) => `"new ${i}"`));
    expect(positions).toEqual(messages.map(({ offset }) => ({ epoch: next, offset })));
    const isNew = (notice: Notice): boolean => notice.epoch === next;
    await until(() => ears.every((ear) => ear.notices.filter(isNew).length === 6));
    for (const [i, ear] of ears.entries()) {
      expect(ear.notices.filter(isNew).map(({ message }) => message)).toEqual(messages);
      expect(ear.notices.filter((notice) => !isNew(notice)).map((notice) => notice.epoch)).toEqual(
        Array(5).fill(epoch),
      );
      expect(ear.jsons.slice(0, 5)).toEqual(["0", "1", "2", "3", "4"]);
      (all[i] as typeof a).unlisten(topic, ear);
    }
  });

  test("holds nothing of the last epoch in the new one", async () => {
    const { a, b } = processes;
    const topic = freshTopic("emptied");
    const old = await inFlight(10, 1, (i) => a.publish(topic, String(i)));
    const ear = await b.listen(topic);
    await a.renew(topic, old[0]?.epoch as string);
    const empty = await b.readAll(topic);
    expect(empty.messages).toEqual([]);
    const position = await b.publish(topic, '"new"');
    expect(position.offset).toBeGreaterThan(empty.head);
    for (const process of [a, b]) {
      const { epoch, floor, messages } = await process.readAll(topic);
      expect(epoch).toBe(position.epoch);
      expect(messages).toMatchObject([{ offset: position.offset, json: '"new"' }]);
      expect(floor).toBeLessThan(position.offset);
    }
    await until(() => ear.notices.length > 0);
    // The offset before is 0, or that at which the new epoch began.
    expect([0, empty.head]).toContain(ear.notices[0]?.previous);
    expect(ear.jsons).toEqual(['"new"']);
    b.unlisten(topic, ear);
  });

  test("does not renew an epoch that is over", async () => {
    const { a, b, c } = processes;
    const topic = freshTopic("outdated");
    const { epoch } = await a.publish(topic, "1");
    await a.renew(topic, "anOther1");
    expect((await b.read(topic)).epoch).toBe(epoch);
    await b.renew(topic, epoch);
    const next = (await a.read(topic)).epoch;
    expect(next).not.toBe(epoch);
    await Promise.all([a, b, c].map((process) => process.renew(topic, epoch)));
    expect((await c.read(topic)).epoch).toBe(next);
    expect((await c.publish(topic, "2")).epoch).toBe(next);
  });

  test("renews once when processes renew at the same time", async () => {
    const { a, b, c } = processes;
    for (let round = 0; round < 10; round += 1) {
      const [topic, other] = [freshTopic("together"), freshTopic("beside")];
      const { epoch } = await a.publish(topic, "1");
      const beside = await a.publish(other, "1");
      const seen = await Promise.all(
        [a, b, c].map(async (process) => {
          await process.renew(topic, epoch);
          return (await process.read(topic)).epoch;
        }),
      );
      expect(new Set(seen).size).toBe(1);
      expect(seen[0]).not.toBe(epoch);
      expect((await b.publish(topic, "2")).epoch).toBe(seen[0]);
      const after = await c.read(other);
      expect((await b.publish(other, "2")).epoch).toBe(after.epoch);
      if (renewsTopics) expect(after.epoch).toBe(beside.epoch);
    }
  });
}

import { expect, test } from "vitest";
import { turns, until } from "../support/sources.ts";
import type { TcpProxy } from "../support/tcp-proxy.ts";
import { BACK_MS, outcomeOf, Publishing } from "./contract-outage.ts";
import { freshTopic, inFlight, publication, useProcesses, type BrokerWorld } from "./contract-world.ts";

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** The network between a broker and its server is cut, or falls silent. */
export function networkContract(open: () => Promise<BrokerWorld>): void {
  const processes = useProcesses(open);

  function network(): TcpProxy {
    return processes.world.network ?? expect.fail("this world has no network");
  }

  /** Whether every process is connected. */
  const isWhole = (): boolean => [processes.a, processes.b, processes.c].every(({ told }) => told.at(-1) !== "lost");

  test("loses no acknowledged message when connections are cut again and again", async () => {
    const { a, b, c } = processes;
    const all = [a, b, c];
    const topics = Array.from({ length: 6 }, (_, i) => freshTopic(`cut ${i}`));
    const ears = await Promise.all(topics.map((topic) => Promise.all(all.map((process) => process.listen(topic)))));
    const before = await inFlight(6, 3, (i) => a.publish(topics[i] as string, '"before"'));
    const publishing = new Publishing([a, b], topics);
    for (let i = 0; i < 6; i += 1) {
      await sleep(150 + 50 * i);
      network().cut();
    }
    network().refuse();
    await sleep(300);
    network().accept();
    await until(() => all.every(({ told }) => told.length > 0) && isWhole(), BACK_MS);
    await sleep(200);
    await publishing.stop();
    expect(publishing.failures).toBeGreaterThan(0);
    const after = await inFlight(6, 3, (i) => b.publish(topics[i] as string, '"after"'));
    for (const [t, topic] of topics.entries()) {
      const history = await c.readAll(topic);
      expect(history.epoch).toBe(before[t]?.epoch);
      publishing.expectTruth(topic, history);
      const offsets = history.messages.map(({ offset }) => offset);
      for (const [who, ear] of (ears[t] as (typeof ears)[0]).entries()) {
        await until(() => ear.offsets.includes((after[t] as (typeof after)[0]).offset));
        // Notices are the held messages, with holes only while the connection was lost.
        expect(ear.notices.map(({ message }) => message)).toEqual(
          history.messages.filter(({ offset }) => ear.offsets.includes(offset)),
        );
        for (const { previous, message } of ear.notices) {
          expect(previous).toBe(offsets[offsets.indexOf(message.offset) - 1] ?? 0);
        }
        (all[who] as typeof a).unlisten(topic, ear);
      }
    }
  });

  test("detects a silent network, and answers every call", async () => {
    const { a, b, c } = processes;
    const all = [a, b, c];
    const topic = freshTopic("stalled");
    const ear = await c.listen(topic);
    const { epoch } = await a.publish(topic, '"before"');
    const toldBefore = all.map(({ told }) => told.length);
    network().stall();
    const outcomes = Promise.all(
      Array.from({ length: 20 }, (_, i) =>
        a
          .publish(topic, publication(`"stalled ${i}"`, { messageId: `id ${i}` }))
          .catch((error: unknown) => outcomeOf(error)),
      ),
    );
    const asked = await Promise.all(
      [b.read(topic), b.renew(topic, "0utdated")].map((call) => call.catch((error: unknown) => outcomeOf(error))),
    );
    expect(asked).toEqual(["not published", "not published"]);
    const answered = await outcomes;
    await until(() => all.every(({ told }, i) => told.length > (toldBefore[i] as number)), BACK_MS);
    network().resume();
    await until(isWhole, BACK_MS);
    // Messages in flight may arrive now.
    await sleep(200);
    const { messages } = await b.readAll(topic);
    const held = new Set(messages.map(({ messageId }) => messageId));
    for (const [i, outcome] of answered.entries())
      if (outcome === "not published") expect(held.has(`id ${i}`)).toBe(false);
    // Unacknowledged messages are retried.
    await inFlight(20, 5, (i) => b.publish(topic, publication(`"again ${i}"`, { messageId: `id ${i}` })));
    const last = await b.publish(topic, '"last"');
    const history = await c.readAll(topic);
    expect(history.epoch).toBe(epoch);
    expect(history.messages).toHaveLength(22);
    expect(new Set(history.messages.map(({ messageId }) => messageId)).size).toBe(21);
    await until(() => ear.offsets.at(-1) === last.offset);
    await turns(10);
    expect(new Set(ear.offsets).size).toBe(ear.offsets.length);
    c.unlisten(topic, ear);
  });

  test("closes while the network is silent", async () => {
    const leaving = await processes.join();
    const topic = freshTopic("leaving");
    await leaving.listen(topic);
    network().stall();
    const call = leaving.publish(topic, "1").then(
      () => "an answer",
      () => "an answer",
    );
    await leaving.close();
    expect(await call).toBe("an answer");
    network().resume();
    await until(isWhole, BACK_MS);
  });
}

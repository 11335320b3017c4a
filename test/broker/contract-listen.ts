import { expect, test } from "vitest";
import { turns, until } from "../support/sources.ts";
import { Ear, freshTopic, inFlight, publication, useProcesses, type BrokerWorld } from "./contract-world.ts";

/** Notices and signals: their recipients, their order, and their end. */
export function listenContract(open: () => Promise<BrokerWorld>): void {
  const processes = useProcesses(open);

  test("notifies each listener once of each message, in order, the publishing process included", async () => {
    const { a, b, c } = processes;
    const topic = freshTopic("told");
    const ears = await Promise.all([a, b, c].map((process) => process.listen(topic)));
    const count = 150;
    await inFlight(count, 1, (i) =>
      (i % 2 === 0 ? a : b).publish(topic, publication(String(i), { event: "e", key: "k" })),
    );
    await until(() => ears.every((ear) => ear.notices.length >= count));
    await turns(20);
    const { epoch, messages } = await c.readAll(topic);
    const offsets = messages.map(({ offset }) => offset);
    for (const [i, ear] of ears.entries()) {
      expect(ear.notices.map(({ message }) => message)).toEqual(messages);
      expect(ear.notices.map(({ previous }) => previous)).toEqual([0, ...offsets.slice(0, -1)]);
      expect(new Set(ear.notices.map((notice) => notice.epoch))).toEqual(new Set([epoch]));
      ([a, b, c][i] as typeof a).unlisten(topic, ear);
    }
  });

  test("notifies of messages of any process that are published after listen has resolved", async () => {
    const { a, b, c } = processes;
    const ears = await inFlight(120, 12, async (i) => {
      const topic = freshTopic("at once");
      const ear = await c.listen(topic);
      await ([a, b, c][i % 3] as typeof a).publish(topic, String(i));
      return { ear, topic };
    });
    await until(() => ears.every(({ ear }) => ear.notices.length > 0));
    for (const [i, { ear, topic }] of ears.entries()) {
      expect(ear.jsons).toEqual([String(i)]);
      c.unlisten(topic, ear);
    }
  });

  test("does not notify of earlier messages, and names the one before in the first notice", async () => {
    const { a, b } = processes;
    const topic = freshTopic("late");
    const positions = await inFlight(5, 1, (i) => a.publish(topic, String(i)));
    const ear = await b.listen(topic);
    const { offset } = await a.publish(topic, '"new"');
    await until(() => ear.offsets.includes(offset));
    expect(ear.jsons).toEqual(['"new"']);
    expect(ear.notices[0]?.previous).toBe(positions.at(-1)?.offset);
    b.unlisten(topic, ear);
  });

  test("notifies each of many topics of its own messages only", async () => {
    const { a, b, c } = processes;
    const topics = Array.from({ length: 400 }, (_, i) => freshTopic(`many ${i}`));
    const ears = await Promise.all(topics.map((topic) => b.listen(topic)));
    await inFlight(800, 40, (i) => (i % 2 === 0 ? a : c).publish(topics[i % 400] as string, `"${topics[i % 400]}"`));
    await until(() => ears.every((ear) => ear.notices.length >= 2));
    await turns(20);
    for (const [i, topic] of topics.entries()) {
      expect(ears[i]?.jsons).toEqual([`"${topic}"`, `"${topic}"`]);
      b.unlisten(topic, ears[i]);
    }
  });

  test("stops notices when unlisten returns, and not those of others", async () => {
    const { a, b, c } = processes;
    const [topic, kept] = [freshTopic("left"), freshTopic("kept")];
    const [leaver, stayer, other] = await Promise.all([b.listen(topic), c.listen(topic), b.listen(kept)]);
    await a.publish(topic, '"heard"');
    await until(() => leaver.notices.length === 1 && stayer.notices.length === 1);
    // It unsubscribes while many messages are published.
    const publishing = inFlight(200, 20, (i) => a.publish(topic, String(i)));
    await until(() => leaver.notices.length > 20);
    b.unlisten(topic, leaver);
    const heard = leaver.notices.length;
    await publishing;
    await b.publish(topic, '"by itself"');
    await a.publish(kept, '"kept"');
    await until(() => stayer.notices.length === 202 && other.notices.length === 1);
    await turns(20);
    expect(leaver.notices).toHaveLength(heard);
    // A second unlisten, or one without a listener, has no effect.
    b.unlisten(topic);
    b.unlisten(freshTopic("never"));
    c.unlisten(topic, stayer);
    b.unlisten(kept, other);
  });

  test("listens again after unlisten, also at once", async () => {
    const { a, b } = processes;
    const topic = freshTopic("again");
    for (let round = 0; round < 15; round += 1) {
      const first = await b.listen(topic);
      const publishing = a.publish(topic, `"${round} before"`);
      b.unlisten(topic, first);
      const second = await b.listen(topic);
      await publishing;
      await a.publish(topic, `"${round} after"`);
      await until(() => second.jsons.includes(`"${round} after"`));
      expect(second.jsons.filter((json) => json.includes("after"))).toEqual([`"${round} after"`]);
      b.unlisten(topic, second);
      if (round % 3 === 0) await turns(10);
    }
  });

  test("does not notify after unlisten before listen has resolved, and listens again", async () => {
    const { a, b } = processes;
    const topic = freshTopic("hasty");
    const early = new Ear();
    const settled = b.broker
      .listen(topic, (notice) => {
        if (early.isStopped) b.fail("a notice after unlisten");
        early.notices.push(notice);
      })
      .then(
        () => "settled",
        () => "settled",
      );
    b.unlisten(topic);
    early.isStopped = true;
    const ear = await b.listen(topic);
    expect(await settled).toBe("settled");
    await inFlight(20, 4, (i) => a.publish(topic, String(i)));
    await until(() => ear.notices.length === 20);
    b.unlisten(topic, ear);
  });

  test("lets a listener publish, listen and unlisten", async () => {
    const { a, b } = processes;
    const [topic, answers] = [freshTopic("asks"), freshTopic("answers")];
    const ear = await b.listen(answers);
    let isLeft = false;
    const asked: string[] = [];
    await a.broker.listen(topic, ({ message }) => {
      if (isLeft) a.fail("a notice after unlisten");
      asked.push(message.json);
      void a.publish(answers, message.json);
      if (asked.length < 10) return;
      isLeft = true;
      a.unlisten(topic);
    });
    await inFlight(20, 5, (i) => b.publish(topic, String(i)));
    await until(() => ear.notices.length >= 10);
    await turns(20);
    expect(asked).toHaveLength(10);
    expect(ear.jsons).toEqual(asked);
    b.unlisten(answers, ear);
  });

  test("delivers a signal once to every process, its sender included", async () => {
    const { a, b, c } = processes;
    const all = [a, b, c];
    const texts = [
      "plain",
      '{"a":[1,"é😀\u2028"]}',
      "line\r\nline\0\t",
      " ",
      "*",
      "x".repeat(20_000),
      freshTopic("last"),
    ];
    for (const [i, text] of texts.entries()) (all[i % 3] as typeof a).signal(text);
    await until(() => all.every(({ signals }) => texts.every((text) => signals.includes(text))));
    await turns(20);
    for (const { signals } of all) expect(signals.splice(0).toSorted()).toEqual(texts.toSorted());
    for (let i = 0; i < 100; i += 1) a.signal(String(i));
    await until(() => all.every(({ signals }) => signals.length >= 100));
    for (const { signals } of all) expect(signals.splice(0)).toEqual(Array.from({ length: 100 }, (_, i) => String(i)));
  });
}

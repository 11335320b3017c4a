import { expect, test } from "vitest";
import { CometError } from "../../src/index.ts";
import type {} from "../../src/log/broker.ts";
import type { Position } from "../../src/log/position.ts";
import { until } from "../support/sources.ts";
import { BACK_MS, outcomeOf, Publishing } from "./contract-outage.ts";
import { freshTopic, inFlight, publication, useProcesses, wide, type BrokerWorld, type Ear } from "./contract-world.ts";

const DOWN_MS = 1500;
/** The server is down for a while. */
export function restartContract(open: () => Promise<BrokerWorld>): void {
  const processes = useProcesses(open);

  test("reports lost and restored once, loses no acknowledged message, and listens on", async () => {
    const { a, b, c, world } = processes;
    const all = [a, b, c];
    const topics = Array.from({ length: 12 }, (_, i) => freshTopic(`outage ${i}`));
    const ears: Ear[][] = await Promise.all(
      topics.map((topic) => Promise.all(all.map((process) => process.listen(topic)))),
    );
    const before = await inFlight(60, 10, (i) => a.publish(topics[i % 12] as string, '"before"'));

    const publishing = new Publishing([a, b], topics);
    await restart(world);
    await until(() => all.every(({ told }) => told.length >= 2), BACK_MS);
    await publishing.stop();
    for (const { told } of all) expect(told).toEqual(["lost", "restored"]);
    // Without a failure this test would show nothing.
    expect(publishing.failures).toBeGreaterThan(10);
    for (const [t, topic] of topics.entries()) {
      const history = await c.readAll(topic);
      expect(history.epoch).toBe(before[t]?.epoch);
      expect(history.messages.filter(({ json }) => json === '"before"')).toHaveLength(5);
      publishing.expectTruth(topic, history);
      if (a.broker.isDense) expect(history.messages.at(-1)?.offset).toBe(history.messages.length);
    }
    // Subscriptions continue by themselves.
    const after = await inFlight(12, 4, (i) => b.publish(topics[i] as string, '"after"'));
    for (const [t, { epoch, offset }] of after.entries()) {
      const heard = ears[t] as Ear[];
      await until(() => heard.every((ear) => ear.offsets.includes(offset)));
      const { messages } = await a.readAll(topics[t] as string);
      const previous = messages.at(-2)?.offset;
      for (const [who, ear] of heard.entries()) {
        expect(ear.notices.at(-1)).toEqual({ epoch, previous, message: messages.at(-1) });
        (all[who] as typeof a).unlisten(topics[t] as string, ear);
      }
    }
    const text = freshTopic("signal");
    b.signal(text);
    await until(() => all.every(({ signals }) => signals.includes(text)));
  });

  test("remembers a message id after an outage, so that a retry is idempotent", async () => {
    const { a, b, world } = processes;
    const topic = freshTopic("retried");
    const ids = Array.from({ length: 40 }, (_, i) => `id ${i}`);
    const first = await inFlight(10, 5, (i) => a.publish(topic, publication("0", { messageId: ids[i] })));
    const restarting = restart(world);
    const both = [a, b];
    const isRestored = (): boolean => both.every(({ told }) => told.length > 0 && told.at(-1) === "restored");
    const [lossesBefore, end] = [both.map(({ told }) => told.length), performance.now() + DOWN_MS + BACK_MS];
    const isOver = (): boolean =>
      isRestored() && both.every(({ told }, i) => told.length > (lossesBefore[i] as number));
    // Each message is published again and again before, during and after the outage.
    const positions = await Promise.all(
      ids.map(async (messageId, i) => {
        const answers: Position[] = [];
        for (let round = 0, isLast = false; !isLast; round += 1) {
          isLast = isOver();
          if (performance.now() > end) return expect.fail("it did not reconnect");
          const outcome = await (both[(i + round) % 2] as typeof a)
            .publish(topic, publication(`"${i} ${round}"`, { messageId }))
            .catch((error: unknown) => outcomeOf(error));
          if (typeof outcome === "object") answers.push(outcome);
          await new Promise((resolve) => setTimeout(resolve, 20 + 5 * i));
        }
        return answers;
      }),
    );
    await restarting;
    const { epoch, messages } = await b.readAll(topic);
    expect(messages.map(({ messageId }) => messageId).toSorted()).toEqual(ids.toSorted());
    for (const [i, answers] of positions.entries()) {
      const position = { epoch, offset: messages.find(({ messageId }) => messageId === ids[i])?.offset };
      expect(answers.length).toBeGreaterThan(0);
      expect(answers).toEqual(answers.map(() => position));
    }
    expect(positions.slice(0, 10).map(([position]) => position)).toEqual(first);
  });

  test("answers every call during an outage, and closes", async () => {
    const { a, world } = processes;
    const leaving = await processes.join();
    const topic = freshTopic("down");
    const [told, leavingTold] = [a.told.length, leaving.told.length];
    const { epoch } = await leaving.publish(topic, "1");
    await Promise.all([leaving.listen(topic), leaving.listen(freshTopic("other"))]);
    const restarting = restart(world);
    await until(() => a.told.length > told && leaving.told.length > leavingTold, BACK_MS);
    const calls: Promise<unknown>[] = [
      ...Array.from({ length: 3000 }, (_, i) => leaving.publish(topic, `"${i}${"x".repeat(1000)}"`)),
      ...[leaving.read(topic), leaving.renew(topic, epoch)],
    ];
    const outcomes = await Promise.all(
      calls.map((call) =>
        call.then(
          () => "an answer",
          (error: unknown) => (error instanceof CometError ? error.code : error),
        ),
      ),
    );
    // This is exact only if the server was down all the time.
    if (leaving.told.at(-1) === "lost") expect(new Set(outcomes)).toEqual(new Set(["ERR_BROKER"]));
    leaving.signal("into the void");
    leaving.unlisten(topic);
    await leaving.close();
    await restarting;
    await until(() => a.told.at(-1) === "restored", BACK_MS);
    await a.publish(topic, '"after"');
    const jsons = (await a.readAll(topic, 0, wide)).messages.map(({ json }) => json);
    expect([jsons[0], jsons.at(-1)]).toEqual(["1", '"after"']);
    const published = outcomes.filter((outcome) => outcome === "an answer").length;
    if (leaving.told.at(-1) === "lost") expect([jsons.length, published]).toEqual([2, 0]);
  });
}

function restart(world: BrokerWorld): Promise<void> {
  if (world.restart === undefined) return expect.fail("a world with a server can restart it");
  return world.restart(DOWN_MS);
}

import { expect, test } from "vitest";
import type { CometError } from "../../src/index.ts";
import type { BrokerMessage, BrokerPublication, History } from "../../src/log/broker.ts";
import type { Position } from "../../src/log/position.ts";
import { expectCode, until } from "../support/sources.ts";
import {
  ending,
  freshTopic,
  inFlight,
  kept,
  publication,
  useProcesses,
  wide,
  type BrokerTraits,
  type BrokerWorld,
  type Process,
} from "./contract-world.ts";

/** Longer than any step of these tests takes: it must happen in the end. */
const SOON_MS = 20_000;

/** A message that is published only under a lease, and only after so many others of it. */
function fenced(json: string, fence: string, order?: number): BrokerPublication {
  return { ...publication(json), fence, order };
}

/** Asks again until the answer is yes. */
async function eventually(ask: () => Promise<boolean>): Promise<void> {
  const end = Date.now() + SOON_MS;
  while (!(await ask())) {
    if (Date.now() > end) expect.fail(`not within ${SOON_MS} ms: ${ask.toString()}`);
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

function jsonsOf({ messages }: History): string[] {
  return messages.map(({ json }) => json);
}

/** The outcome that an entry has as the end of its topic. */
function outcomeOf(entry: BrokerMessage | undefined): string | undefined {
  return entry?.ended === undefined ? undefined : (JSON.parse(entry.ended) as { outcome: string }).outcome;
}

/** Expects that no message of the topic's present life is missing, and that this can be seen. */
function expectWhole({ floor, finite, messages }: History): void {
  expect(floor).toBeLessThanOrEqual(finite?.begunAfter ?? -1);
  expect(messages.every(({ offset }) => offset > (finite?.begunAfter ?? Infinity))).toBe(true);
}

/** Whether a reader with this position of a former life learns that what followed is gone. */
function isGone(position: Position, { epoch, floor }: History): boolean {
  return position.epoch !== epoch || floor >= position.offset;
}

/** Topics that end, and the leases of their producers. */
export function finiteContract(open: () => Promise<BrokerWorld>, { hasServer }: BrokerTraits): void {
  const processes = useProcesses(open);

  /** Waits until the lease of a topic has lapsed, which ends the topic. */
  const lapse = async (process: Process, topic: string): Promise<void> => {
    await eventually(async () => (await process.settle(topic)) === undefined);
  };

  test("ends a topic for every process, and publishes nothing after the end", async () => {
    const { a, b, c } = processes;
    const topic = freshTopic("ended");
    const ear = await c.listen(topic);
    await a.publish(topic, publication("1", { messageId: "one" }), kept);
    const second = await b.publish(topic, "2", kept);
    const last = await a.publish(topic, ending("complete"), kept);
    expect(last.offset).toBeGreaterThan(second.offset);
    for (const process of [a, b, c]) {
      const history = await process.readAll(topic, 0, kept);
      expect(jsonsOf(history)).toEqual(["1", "2", ""]);
      expect(history.messages.map(outcomeOf)).toEqual([undefined, undefined, "complete"]);
      expect(history).toMatchObject({ head: last.offset, finite: { ttlMs: 60_000, isExpired: false } });
      expectWhole(history);
      await expectCode("ERR_ENDED", () => process.publish(topic, "late", kept));
      await expectCode("ERR_ENDED", () => process.publish(topic, "endless", wide));
      await expectCode("ERR_ENDED", () => process.publish(topic, ending("stopped"), kept));
    }
    const history = await b.readAll(topic, 0, kept);
    expect(jsonsOf(history)).toEqual(["1", "2", ""]);
    const repeated = await b.publish(topic, publication("again", { messageId: "one" }), kept);
    expect(repeated.offset).toBe(history.messages[0]?.offset);
    await until(() => ear.notices.length === 3, SOON_MS);
    expect(ear.notices.map(({ message }) => message)).toEqual(history.messages);
    c.unlisten(topic, ear);
  });

  test("knows a topic that ends from its first message or lease on, in every process", async () => {
    const { a, b, c } = processes;
    const [unused, endless, written, leased] = ["unused", "endless", "written", "leased"].map(freshTopic) as [
      string,
      string,
      string,
      string,
    ];
    await a.publish(endless, "1");
    await a.publish(written, "1", kept);
    expect(await a.acquire(leased, "only")).toBe("acquired");
    for (const process of [a, b, c]) {
      expect((await process.read(unused, 0, kept)).finite).toBeUndefined();
      expect((await process.read(endless)).finite).toBeUndefined();
      expect((await process.read(written)).finite).toMatchObject({ ttlMs: 60_000, isExpired: false });
      const empty = await process.read(leased);
      expect(empty).toMatchObject({ messages: [], finite: { ttlMs: 60_000, isExpired: false } });
    }
  });

  test("keeps a topic whole until its end, and for ttlMs after it, and then begins it anew", async () => {
    const { a, b } = processes;
    const [topic, clock] = [freshTopic("expires"), freshTopic("clock")];
    const short = { ...kept, ttlMs: 1000 };
    await a.publish(topic, publication("1", { messageId: "id" }), short);
    // A message of an endless topic that is as old shows that the time has passed.
    await a.publish(clock, "1", { ...wide, maxAgeMs: 1000 });
    await eventually(async () => {
      const { messages, floor } = await b.read(clock, 0, { ...wide, maxAgeMs: 1000 });
      return messages.length === 0 || floor > 0;
    });
    expect(jsonsOf(await b.readAll(topic, 0, short))).toEqual(["1"]);
    await a.publish(topic, "2", short);
    const end = await a.publish(topic, ending("complete"), short);
    expect(jsonsOf(await b.readAll(topic, 0, short))).toEqual(["1", "2", ""]);
    const isOver = async (process: Process): Promise<boolean> => {
      const { finite, messages } = await process.read(topic, 0, short);
      return messages.length === 0 && finite?.isExpired !== false;
    };
    await eventually(() => isOver(a));
    await eventually(() => isOver(b));
    const anew = await b.publish(topic, publication("anew", { messageId: "id" }), short);
    const history = await a.readAll(topic, 0, short);
    expect(jsonsOf(history)).toEqual(["anew"]);
    expect(history).toMatchObject({ head: anew.offset, finite: { ttlMs: 1000, isExpired: false } });
    expectWhole(history);
    expect(isGone(end, history)).toBe(true);
  });

  test("does not count the end toward the bounds", async () => {
    const { a, b } = processes;
    const topic = freshTopic("bounded");
    const three = { ...kept, maxEntries: 3 };
    for (const json of ["1", "2", "3"]) await a.publish(topic, json, three);
    await b.publish(topic, ending("complete"), three);
    const { messages, floor } = await a.readAll(topic, 0, three);
    expect(messages.filter(({ offset }) => offset > floor).map(({ json }) => json)).toEqual(["1", "2", "3", ""]);
  });

  test("gives the lease to one of many producers, and publishes only for it", async () => {
    const { a, b, c } = processes;
    const topic = freshTopic("leased");
    const all = [a, b, c, a, b, c];
    const answers = await Promise.all(all.map((process, i) => process.acquire(topic, `fence ${i}`)));
    expect(answers.filter((answer) => answer === "acquired")).toHaveLength(1);
    expect(answers.filter((answer) => answer === "held")).toHaveLength(5);
    const won = answers.indexOf("acquired");
    const [holder, other] = [all[won] as Process, all[(won + 1) % 3] as Process];
    const fence = `fence ${won}`;
    expect(await holder.acquire(topic, fence)).toBe("acquired");
    expect(await other.acquire(topic, "restarting", { restart: true })).toBe("held");
    await holder.publish(topic, fenced('"held"', fence), kept);
    await other.publish(topic, '"free"', kept);
    await expectCode("ERR_PRODUCER_LOST", () => other.publish(topic, fenced('"false"', "fence none"), kept));
    await expectCode("ERR_PRODUCER_LOST", () => other.renewLease(topic, "fence none"));
    await holder.renewLease(topic, fence);
    await holder.publish(topic, fenced('"renewed"', fence), kept);
    expect(jsonsOf(await other.readAll(topic, 0, kept))).toEqual(['"held"', '"free"', '"renewed"']);
    await holder.publish(topic, { ...ending("complete"), fence }, kept);
    expect(await other.settle(topic)).toBeUndefined();
    expect(await other.acquire(topic, "late")).toBe("ended");
    await expectCode("ERR_PRODUCER_LOST", () => holder.renewLease(topic, fence));
    await expectCode("ERR_ENDED", () => holder.publish(topic, fenced('"late"', fence), kept));
    expect(jsonsOf(await other.readAll(topic, 0, kept))).toEqual(['"held"', '"free"', '"renewed"', ""]);
  });

  test("ends a topic once whose producer's lease has lapsed, and publishes nothing of it any more", async () => {
    const { a, b, c } = processes;
    const topic = freshTopic("lapsed");
    const ear = await b.listen(topic);
    expect(await a.acquire(topic, "lost", { leaseMs: 3000 })).toBe("acquired");
    await a.publish(topic, fenced("1", "lost"), kept);
    const left = await b.settle(topic);
    if (left !== undefined) {
      expect(left).toBeGreaterThan(0);
      expect(left).toBeLessThanOrEqual(3000);
    }
    await Promise.all([b, c, b, c].map((process) => lapse(process, topic)));
    await expectCode("ERR_ENDED", () => a.publish(topic, fenced("2", "lost"), kept));
    await expectCode("ERR_PRODUCER_LOST", () => a.renewLease(topic, "lost"));
    for (const process of [a, b, c]) {
      const { messages } = await process.readAll(topic, 0, kept);
      expect(messages.map(({ json }) => json)).toEqual(["1", ""]);
      expect(outcomeOf(messages[1])).toBe("lost");
      expect(await process.acquire(topic, "next")).toBe("ended");
    }
    await until(() => ear.notices.length === 2, SOON_MS);
    expect(outcomeOf(ear.notices[1]?.message)).toBe("lost");
    b.unlisten(topic, ear);
  });

  test("does not give a lapsed lease to another producer before the topic has ended", async () => {
    const { a, b } = processes;
    const topic = freshTopic("lapsed");
    await a.acquire(topic, "lost", { leaseMs: 1 });
    await eventually(async () => (await b.acquire(topic, "next")) !== "held" || (await b.settle(topic)) === undefined);
    expect(await b.acquire(topic, "next")).toBe("ended");
    expect((await b.readAll(topic, 0, kept)).messages.map(outcomeOf)).toEqual(["lost"]);
  });

  test("puts off the time at which a renewed lease lapses", async () => {
    const { a, b } = processes;
    const [topic, other] = [freshTopic("renewed"), freshTopic("not renewed")];
    await a.acquire(topic, "kept", { leaseMs: 4000 });
    await a.renewLease(topic, "kept", 60_000);
    await a.acquire(other, "lost", { leaseMs: 4000 });
    await lapse(b, other);
    const left = await b.settle(topic);
    expect(left).toBeGreaterThan(4000);
    expect(left).toBeLessThanOrEqual(60_000);
    await a.publish(topic, fenced("1", "kept"), kept);
  });

  test("begins a topic anew on restart, for one producer alone", async () => {
    const { a, b, c } = processes;
    const topic = freshTopic("restarted");
    await a.acquire(topic, "first");
    await a.publish(topic, { ...publication("1", { messageId: "id" }), fence: "first" }, kept);
    const stopped = await b.publish(topic, ending("stopped"), kept);
    expect(await b.acquire(topic, "second", { restart: true })).toBe("acquired");
    await expectCode("ERR_PRODUCER_LOST", () => a.publish(topic, fenced("2", "first"), kept));
    const empty = await c.readAll(topic, 0, kept);
    expect(empty).toMatchObject({ messages: [], finite: { isExpired: false } });
    await b.publish(topic, { ...publication("anew", { messageId: "id" }), fence: "second" }, kept);
    const history = await a.readAll(topic, 0, kept);
    expect(jsonsOf(history)).toEqual(["anew"]);
    expectWhole(history);
    expect(isGone(stopped, history)).toBe(true);
    expect(await c.acquire(topic, "third", { restart: true })).toBe("held");
  });

  test("restarts a topic whose producer's lease has lapsed", async () => {
    const { a, b } = processes;
    const topic = freshTopic("restarted");
    await a.acquire(topic, "lost", { leaseMs: 1 });
    await eventually(async () => (await b.acquire(topic, "next", { restart: true })) === "acquired");
    await expectCode("ERR_PRODUCER_LOST", () => a.publish(topic, fenced("1", "lost"), kept));
    await b.publish(topic, fenced("2", "next"), kept);
    expect(jsonsOf(await a.readAll(topic, 0, kept))).toEqual(["2"]);
  });

  test("deletes a topic with its messages, end, lease and message ids", async () => {
    const { a, b, c } = processes;
    const topic = freshTopic("deleted");
    expect(await a.delete(freshTopic("unused"))).toBeUndefined();
    await a.acquire(topic, "fence");
    await a.publish(topic, publication("1", { messageId: "id" }), kept);
    const end = await a.publish(topic, ending("complete"), kept);
    expect(await b.delete(topic)).toEqual(end);
    expect(await c.readAll(topic, 0, kept)).toMatchObject({ messages: [], finite: undefined });
    await b.publish(topic, publication("anew", { messageId: "id" }), kept);
    const history = await c.readAll(topic, 0, kept);
    expect(jsonsOf(history)).toEqual(["anew"]);
    expectWhole(history);
    expect(isGone(end, history)).toBe(true);

    const running = freshTopic("deleted");
    await a.acquire(running, "fence");
    const first = await a.publish(running, fenced("1", "fence"), kept);
    expect(await c.delete(running)).toEqual(first);
    await expectCode("ERR_PRODUCER_LOST", () => a.publish(running, fenced("2", "fence"), kept));
    await expectCode("ERR_PRODUCER_LOST", () => a.renewLease(running, "fence"));
    expect(await b.acquire(running, "next")).toBe("acquired");
  });

  test("keeps the lease over renew, and deletes a topic that has ended", async () => {
    const { a, b } = processes;
    const [topic, ended] = [freshTopic("renewed"), freshTopic("renewed")];
    await a.acquire(topic, "fence");
    const { epoch } = await a.publish(topic, fenced("1", "fence"), kept);
    await a.publish(ended, ending("complete"), kept);
    await b.renew(topic, epoch);
    await b.renew(ended, (await b.read(ended, 0, kept)).epoch);
    expect(await b.readAll(topic, 0, kept)).toMatchObject({ messages: [], finite: { isExpired: false } });
    expect(await b.settle(topic)).toBeGreaterThan(0);
    await a.publish(topic, fenced("2", "fence"), kept);
    expect(jsonsOf(await b.readAll(topic, 0, kept))).toEqual(["2"]);
    expect(await b.readAll(ended, 0, kept)).toMatchObject({ messages: [], finite: undefined });
  });

  test("holds a prefix of what a producer sends without waiting, when another process ends the topic", async () => {
    const { a, b } = processes;
    for (let round = 0; round < 5; round += 1) {
      const topic = freshTopic("raced");
      const fence = `fence ${round}`;
      await a.acquire(topic, fence);
      await a.publish(topic, fenced("0", fence, 0), kept);
      const results: Promise<string>[] = [];
      for (let i = 1; i <= 64; i += 1) {
        const sent = a.publish(topic, fenced(String(i), fence, i), kept);
        results.push(
          sent.then(
            () => "held",
            (error: unknown) => (error as CometError).code,
          ),
        );
      }
      const [first] = await Promise.all([results[round * 4], b.publish(topic, ending("stopped"), kept)]);
      expect(["held", "ERR_ENDED"]).toContain(first);
      const outcomes = await Promise.all(results);
      const held = outcomes.filter((outcome) => outcome === "held").length;
      expect(outcomes.slice(held).every((code) => code === "ERR_ENDED" || code === "ERR_PRODUCER_LOST")).toBe(true);
      const { messages } = await b.readAll(topic, 0, kept);
      const expected = Array.from({ length: held + 1 }, (_, i) => String(i));
      expect(messages.map(({ json }) => json)).toEqual([...expected, ""]);
    }
  });

  test("publishes nothing of a producer after a message that is missing, but its end", async () => {
    const { a, b } = processes;
    const topic = freshTopic("hole");
    await a.acquire(topic, "fence");
    await a.publish(topic, fenced("0", "fence", 0), kept);
    await a.renewLease(topic, "fence");
    // Nobody has sent message 1.
    const sent = [fenced("2", "fence", 2), fenced("3", "fence", 3), fenced("again", "fence", 0)];
    const late = await Promise.allSettled(sent.map((message) => a.publish(topic, message, kept)));
    expect(late.map((result) => (result as { reason?: CometError }).reason?.code)).toEqual(
      sent.map(() => "ERR_PRODUCER_LOST"),
    );
    // It is not the process that counts, but the topic.
    await expectCode("ERR_PRODUCER_LOST", () => b.publish(topic, fenced("2", "fence", 2), kept));
    await Promise.all([1, 2, 3].map((i) => b.publish(topic, fenced(String(i), "fence", i), kept)));
    await a.publish(topic, { ...ending("stopped"), fence: "fence" }, kept);
    expect(jsonsOf(await b.readAll(topic, 0, kept))).toEqual(["0", "1", "2", "3", ""]);
    expect(await b.acquire(topic, "next", { restart: true })).toBe("acquired");
    await b.publish(topic, fenced("anew", "next", 0), kept);
    expect(jsonsOf(await a.readAll(topic, 0, kept))).toEqual(["anew"]);
  });

  test("publishes what a producer sends without waiting in order, with the end last", async () => {
    const { a, b } = processes;
    const topic = freshTopic("sent");
    await a.acquire(topic, "fence");
    const sending = inFlight(500, 64, (i) => a.publish(topic, fenced(String(i), "fence", i), kept));
    await sending;
    await Promise.all([
      a.publish(topic, fenced("500", "fence", 500), kept),
      a.publish(topic, { ...ending("complete"), fence: "fence" }, kept),
    ]);
    const { messages } = await b.readAll(topic, 0, kept);
    expect(messages.map(({ json }) => json)).toEqual([...Array.from({ length: 501 }, (_, i) => String(i)), ""]);
    expect(outcomeOf(messages.at(-1))).toBe("complete");
  });

  test("rejects calls after close with ERR_CLOSED", async () => {
    const leaving = await processes.join();
    const topic = freshTopic("closed");
    await leaving.close();
    await expectCode("ERR_CLOSED", () => leaving.acquire(topic, "fence"));
    await expectCode("ERR_CLOSED", () => leaving.renewLease(topic, "fence"));
    await expectCode("ERR_CLOSED", () => leaving.settle(topic));
    await expectCode("ERR_CLOSED", () => leaving.delete(topic));
  });

  if (!hasServer) return;

  test("keeps ends and leases while the server is down", async () => {
    const { a, b, world } = processes;
    const [topic, ended] = [freshTopic("outage"), freshTopic("outage")];
    await a.acquire(topic, "fence");
    await a.publish(topic, fenced("1", "fence"), kept);
    await a.publish(ended, "1", kept);
    await a.publish(ended, ending("complete"), kept);
    const before = [a.told.length, b.told.length];
    await world.restart?.(1000);
    await until(() => [a, b].every(({ told }, i) => told.length >= (before[i] as number) + 2), SOON_MS);
    expect(await b.acquire(topic, "other")).toBe("held");
    await a.renewLease(topic, "fence");
    await a.publish(topic, fenced("2", "fence"), kept);
    expect(jsonsOf(await b.readAll(topic, 0, kept))).toEqual(["1", "2"]);
    await expectCode("ERR_ENDED", () => b.publish(ended, "2", kept));
    expect((await b.readAll(ended, 0, kept)).messages.map(outcomeOf)).toEqual([undefined, "complete"]);
  });
}

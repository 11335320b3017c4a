import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import type { Connection } from "../../../../src/hub/delivery/connection.ts";
import { Hub, type Topic } from "../../../../src/index.ts";
import { FakeSink, flushed, open, turn } from "../../../support/fake-sink.ts";
import { followHub } from "../../../support/hub.ts";

const letters = (text: string): string[] => text.split("");

afterEach(() => vi.restoreAllMocks());

/** A clock that advances by a fixed step at each reading. */
function fastClock(stepMs: number): void {
  let time = 0;
  vi.spyOn(performance, "now").mockImplementation(() => (time += stepMs));
}

const calm = { heartbeatMs: 0, stallMs: 2_000_000_000, maxConnectionAgeMs: 2_000_000_000 };

describe("a flush", () => {
  test("joins the messages of one turn, and writes the same memory to every subscriber of a wire", async () => {
    const hub = new Hub();
    const { sink: a } = await open(hub, "topic=t");
    const { sink: b } = await open(hub, "topic=t");
    const topic = hub.topic<string>("t");
    for (const text of ["x", "y", "z"]) void topic.publish(text);
    expect(a.pieces.length).toBe(1);
    await flushed();
    expect(a.messages).toEqual(["x", "y", "z"]);
    expect(a.pieces.length).toBe(2);
    expect(b.bytes[1]).toBe(a.bytes[1]);
  });

  test("encodes a message once for the members of each wire, and at most once more for all resuming clients", async () => {
    const encode = vi.spyOn(TextEncoder.prototype, "encode");
    const encodeInto = vi.spyOn(TextEncoder.prototype, "encodeInto");
    const hub = new Hub();
    const topic = hub.topic<string>("t");
    // Its bare JSON is what publishing counts the bytes of.
    const count = (): number =>
      [...encode.mock.calls, ...encodeInto.mock.calls].filter(
        ([text]) => text?.includes("unmistakable") === true && text !== '"unmistakable"',
      ).length;
    for (let i = 0; i < 5; i += 1)
      for (const wire of ["sse", "ndjson", "comet"]) await open(hub, `topic=t&wire=${wire}`);
    void topic.publish("unmistakable");
    expect(count()).toBe(0);
    await flushed();
    expect(count()).toBe(3);
    for (let i = 0; i < 9; i += 1)
      await open(hub, `topic=t&from=oldest&wire=${["sse", "ndjson", "comet"][i % 3] ?? ""}`);
    // Comet with a callback has read the tape in its pass.
    expect(count()).toBe(5);
  });

  test.each(["wire=poll", "wire=sse", "wire=comet", "wire=ndjson"])(
    "sends a resuming client on %s all that fits into one write, however it was sent to others",
    async (wire) => {
      const hub = new Hub();
      await open(hub, `topic=t&${wire}`);
      const topic = hub.topic<string>("t");
      for (let i = 0; i < 100; i += 1) {
        void topic.publish(`message ${i}`.padEnd(200));
        await flushed();
      }
      const { sink } = await open(hub, `topic=t&from=oldest&${wire}`);
      expect([...sink.text.matchAll(/message (\d+) /g)].map(([, i]) => Number(i))).toEqual(
        Array.from({ length: 100 }, (_, i) => i),
      );
      // The opening, all messages, and on poll the end.
      expect(sink.pieces.length).toBeLessThanOrEqual(3);
    },
  );

  test("keeps the order of publishing between the topics of one connection", async () => {
    const hub = new Hub();
    const order = letters("abacabbbca");
    for (const name of order) void hub.topic<string>(name).publish(`${name}!`);
    for (const wire of ["ndjson", "poll"]) {
      const { sink } = await open(hub, `topic=a&topic=b&topic=c&from=oldest&wire=${wire}`);
      expect(sink.messages).toEqual(order.map((name) => `${name}!`));
    }
    const { sink } = await open(hub, "topic=a&topic=b&topic=c&wire=sse");
    for (const name of order) void hub.topic<string>(name).publish(`${name}?`);
    await flushed();
    expect([...sink.text.matchAll(/^data: (.\?)$/gm)].map(([, data]) => data)).toEqual(order.map((name) => `${name}?`));
  });

  test("continues in the next turn when its time slice is used up, and skips no subscriber that joins, leaves or stays", async () => {
    fastClock(2);
    const hub = new Hub({ ...calm, flushSliceMs: 1 });
    const topic = hub.topic<number>("t");
    const sinks: FakeSink[] = [];
    for (let i = 0; i < 100; i += 1) sinks.push((await open(hub, "topic=t")).sink);
    void topic.publish(1);
    let turns = 0;
    while (!sinks.every(({ messages }) => messages.length > 0)) {
      await turn();
      turns += 1;
      if (turns === 2) void topic.publish(2);
      if (turns === 3) sinks.push((await open(hub, "topic=t&from=oldest")).sink);
    }
    // 16 writes, then a look at the clock.
    expect(turns).toBeGreaterThanOrEqual(6);
    for (let i = 0; i < 20; i += 1) await turn();
    for (const sink of sinks) expect(sink.messages).toEqual([1, 2]);
    expect(hub.stats()).toMatchObject({ delivered: 202, lagging: 0 });
  });

  test("yields to other tasks between slices", async () => {
    fastClock(2);
    const hub = new Hub({ ...calm, flushSliceMs: 1 });
    for (let i = 0; i < 200; i += 1) await open(hub, "topic=t");
    void hub.topic<number>("t").publish(1);
    let between = 0;
    while (hub.stats().delivered < 200) {
      await turn();
      if (hub.stats().delivered > 0) between += 1;
    }
    expect(between).toBeGreaterThan(10);
  });

  test.each([
    ["resume", "ended", ["open", "end"], 0],
    ["skip", "open", ["open", "gap", "data"], 996],
  ] as const)(
    "does not run within a publication, so a burst over the log's bounds passes subscribers of policy %s",
    async (overflow, state, kinds, missed) => {
      const hub = new Hub({ log: { maxEntries: 10 }, overflow });
      const sinks: FakeSink[] = [];
      for (let i = 0; i < 40; i += 1) sinks.push((await open(hub, "topic=t")).sink);
      const topic = hub.topic<number>("t");
      for (let i = 0; i < 996; i += 1) void topic.publish(i);
      for (const { pieces } of sinks) expect(pieces.length).toBe(1);
      await flushed();
      void topic.publish(996);
      await flushed();
      for (const sink of sinks) {
        expect(sink.state).toBe(state);
        expect(sink.lines.map((line) => ["open", "gap", "end", "data"].find((name) => name in line))).toEqual(kinds);
      }
      expect(hub.stats().skipped).toBe(missed * 40);
      expect(hub.stats().logEntries).toBe(10);
    },
  );

  test("serves subscribers that a burst has passed within its time slice", async () => {
    fastClock(2);
    const hub = new Hub({
      ...calm,
      flushSliceMs: 1,
      overflow: "skip",
      log: { maxEntries: 10, maxAgeMs: 2_000_000_000 },
    });
    const sinks: FakeSink[] = [];
    for (let i = 0; i < 200; i += 1) sinks.push((await open(hub, "topic=t")).sink);
    const topic = hub.topic<number>("t");
    for (let i = 0; i < 20; i += 1) void topic.publish(i);
    const served = (): number => sinks.filter(({ pieces }) => pieces.length > 1).length;
    let turns = 0;
    for (let before = 0; before < 200; turns += 1) {
      await turn();
      expect(served() - before).toBeLessThanOrEqual(16);
      before = served();
    }
    expect(turns).toBeGreaterThan(10);
    // Messages that come in the middle of it reach everybody once.
    for (let i = 20; i < 30; i += 1) {
      void topic.publish(i);
      await turn();
    }
    for (let i = 0; i < 400; i += 1) await turn();
    for (const { messages } of sinks) expect(messages).toEqual(Array.from({ length: 10 }, (_, i) => i + 20));
  });

  test("keeps up with a publisher that awaits it, whose subscribers read", async () => {
    const hub = new Hub({ log: { maxEntries: 10 } });
    const { sink, connection } = await open(hub, "topic=t");
    let drained = 0;
    // Full after every write, and drained in the next turn, as a socket.
    sink.full = true;
    sink.onWrite = () =>
      setImmediate(() => {
        drained += 1;
        connection.drained();
      });
    sink.onWrite();
    const topic = hub.topic<number>("t");
    for (let i = 0; i < 500; i += 1) await topic.publish(i);
    for (let i = 0; i < 10; i += 1) await turn();
    expect(sink.messages).toEqual(Array.from({ length: 500 }, (_, i) => i));
    expect(drained).toBeGreaterThan(50);
  });
});

describe("a publisher that awaits", () => {
  const settled = (promise: Promise<unknown>): { isSettled: boolean } => {
    const state = { isSettled: false };
    void promise.then(() => (state.isSettled = true));
    return state;
  };

  /** A topic half of whose log a subscriber has not been sent, since its sink is full. */
  async function halfUnsent(): Promise<{
    readonly topic: Topic<number>;
    readonly sink: FakeSink;
    readonly connection: Connection;
    readonly last: Promise<unknown>;
  }> {
    const hub = new Hub({ log: { maxEntries: 80 } });
    const { sink, connection } = await open(hub, "topic=t");
    const topic = hub.topic<number>("t");
    sink.full = true;
    let last: Promise<unknown> = Promise.resolve();
    for (let i = 0; i < 50; i += 1) {
      await last;
      await flushed();
      last = topic.publish(i);
      if (!(await isSettledSoon(last))) break;
    }
    return { topic, sink, connection, last };
  }

  async function isSettledSoon(promise: Promise<unknown>): Promise<boolean> {
    const state = settled(promise);
    await flushed();
    return state.isSettled;
  }

  test("waits for a subscriber that has fallen behind, until it takes bytes again", async () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    onTestFinished(() => void vi.useRealTimers());
    const { sink, connection, last } = await halfUnsent();
    expect(await isSettledSoon(last)).toBe(false);
    sink.full = false;
    connection.drained();
    await last;
    expect(sink.messages.length).toBeGreaterThanOrEqual(40);
  });

  test("waits for nobody who takes nothing, and at most a second for all others, once for each half log", async () => {
    vi.useFakeTimers({ toFake: ["performance"] });
    onTestFinished(() => void vi.useRealTimers());
    const { topic, sink, connection, last } = await halfUnsent();
    expect(await isSettledSoon(last)).toBe(false);
    // It takes a little, again and again, and stays behind.
    for (let ms = 0; ms < 1000; ms += 200) {
      vi.advanceTimersByTime(200);
      connection.drained();
      sink.onWrite = () => (sink.full = true);
    }
    vi.advanceTimersByTime(10);
    await last;
    for (let i = 0; i < 20; i += 1) expect(await isSettledSoon(topic.publish(i))).toBe(true);
    // Then it takes nothing for longer than a second.
    vi.advanceTimersByTime(1100);
    for (let i = 0; i < 200; i += 1) expect(await isSettledSoon(topic.publish(i))).toBe(true);
    expect(sink.state).toBe("open");
  });

  test("loses no reader on a web-standard response, however large the messages", async () => {
    // The publisher waits for a second at most by this clock, and a busy machine may need longer.
    vi.useFakeTimers({ toFake: ["performance"] });
    onTestFinished(() => void vi.useRealTimers());
    const hub = new Hub();
    const followers = await Promise.all(
      Array.from({ length: 8 }, async () => (await followHub(hub, "topic=t")).begun()),
    );
    const text = "x".repeat(60_000);
    for (let i = 0; i < 200; i += 1) await hub.topic("t").publish(`${i} ${text}`);
    for (const follower of followers) {
      await follower.has(200);
      expect(follower.open.states).toEqual({ t: "fresh" });
      expect(follower.data.map((data) => Number.parseInt(data as string))).toEqual(
        Array.from({ length: 200 }, (_, i) => i),
      );
    }
    expect(hub.stats()).toMatchObject({ opened: 8, skipped: 0 });
  });
});

describe("a connection", () => {
  test("that is ahead of its group receives later messages with the group, without a duplicate", async () => {
    fastClock(2);
    const hub = new Hub({ ...calm, flushSliceMs: 1 });
    const first = await open(hub, "topic=t&wire=ndjson");
    const second = await open(hub, "topic=t&wire=poll&lastEventId=" + encodeURIComponent(first.connection.position));
    const topic = hub.topic<number>("t");
    void topic.publish(1);
    // One group in each turn: the first wire has been sent the message, the second has not.
    await turn();
    expect([first.sink.messages, second.sink.messages]).toEqual([[1], []]);
    const position = first.connection.position;
    first.connection.gone();
    const ahead = await open(hub, `topic=t&wire=poll&lastEventId=${encodeURIComponent(position)}`);
    await turn();
    await turn();
    expect([second.sink.messages, ahead.sink.messages]).toEqual([[1], []]);
    void topic.publish(2);
    for (let i = 0; i < 5; i += 1) await turn();
    expect(ahead.sink.messages).toEqual([2]);
  });

  test("that is full is not written to until it has drained, and then receives all missed messages", async () => {
    const hub = new Hub();
    const { sink, connection } = await open(hub, "topic=t");
    const topic = hub.topic<number>("t");
    sink.full = true;
    for (let i = 0; i < 50; i += 1) {
      void topic.publish(i);
      await turn();
    }
    expect(sink.messages).toEqual([0]);
    expect(hub.stats().lagging).toBe(1);
    sink.full = false;
    connection.drained();
    await flushed();
    expect(sink.messages.length).toBe(50);
    expect(hub.stats().lagging).toBe(0);
  });

  test.each([
    ["resume", "ended", ["open", "data", "end"]],
    ["skip", "open", ["open", "data", "gap", "data"]],
  ] as const)("whose log has passed it is treated as %s says", async (overflow, state, kinds) => {
    const hub = new Hub({ log: { maxEntries: 10 } });
    const { sink, connection } = await open(hub, "topic=t", new FakeSink(), { overflow });
    const topic = hub.topic<number>("t");
    sink.full = true;
    for (let i = 0; i < 50; i += 1) {
      void topic.publish(i);
      await turn();
    }
    sink.full = false;
    connection.drained();
    await flushed();
    void topic.publish(50);
    await turn();
    expect(sink.state).toBe(state);
    expect(sink.lines.map((line) => ["open", "gap", "end", "data"].find((name) => name in line))).toEqual(kinds);
    const missed = sink.lines.find((line) => "gap" in line)?.["gap"];
    if (overflow === "skip") expect(missed).toMatchObject({ missed: 49 });
    expect(hub.stats().skipped).toBe(overflow === "skip" ? 49 : 0);
  });

  test("with the policy latest receives the newest of each key, and the number of the others", async () => {
    const hub = new Hub({ log: { maxEntries: 10 }, topics: () => ({ overflow: "latest" }) });
    const { sink, connection } = await open(hub, "topic=t");
    const topic = hub.topic<string>("t");
    sink.full = true;
    void topic.publish("start");
    await flushed();
    void topic.publish("rare 1", { key: "rare" });
    void topic.publish("keyless 1");
    for (let i = 0; i < 40; i += 1) void topic.publish(`often ${i}`, { key: "often" });
    void topic.publish("keyless 2");
    await flushed();
    sink.full = false;
    connection.drained();
    await flushed();
    expect(sink.messages).toEqual(["start", "rare 1", "often 39", "keyless 2"]);
    expect(sink.lines.find((line) => "gap" in line)?.["gap"]).toMatchObject({ missed: 40 });
  });

  test("with the policy latest that resumes late receives the gap at once, skips stale messages, and gets no duplicate", async () => {
    const hub = new Hub({ log: { maxEntries: 4 }, topics: () => ({ overflow: "latest" }) });
    const topic = hub.topic<number>("t");
    const positions: string[] = [];
    const keys = ["a", "b", undefined, "a", undefined, "b", "c", "c", undefined, "d"];
    for (const [i, key] of keys.entries()) positions.push(await topic.publish(i + 1, key === undefined ? {} : { key }));
    // Of 2 to 6, which have left the ring, 4 and 6 are the newest of their keys; 2, 3 and 5 are gone. Then 7 is stale.
    const from = async (i: number): Promise<Record<string, unknown>[]> =>
      (await open(hub, `topic=t&lastEventId=${encodeURIComponent(positions[i - 1] ?? "")}`)).sink.lines;
    expect(await from(1)).toMatchObject([
      { open: { states: { t: "gap" } } },
      { gap: { missed: 3, position: positions[0] } },
      { gap: { missed: 1 } },
      ...[4, 6, 8, 9, 10].map((data) => ({ data })),
    ]);
    expect(await from(5)).toMatchObject([
      { open: { states: { t: "recovered" } } },
      { gap: { missed: 1 } },
      ...[6, 8, 9, 10].map((data) => ({ data })),
    ]);
    expect(await from(8)).toMatchObject([{ open: { states: { t: "recovered" } } }, { data: 9 }, { data: 10 }]);
  });

  test("whose group the log has passed during a flush is handled by its policy", async () => {
    fastClock(2);
    const hub = new Hub({ ...calm, flushSliceMs: 1, log: { maxEntries: 8, maxAgeMs: 2_000_000_000 } });
    const topic = hub.topic<number>("t");
    const skipping: FakeSink[] = [];
    for (let i = 0; i < 60; i += 1)
      skipping.push((await open(hub, "topic=t", new FakeSink(), { overflow: "skip" })).sink);
    const ending = await open(hub, "topic=t");
    for (let i = 0; i < 200; i += 1) {
      void topic.publish(i);
      // Three messages in a turn, and four turns for each pass.
      if (i % 3 === 0) await turn();
    }
    for (let i = 0; i < 100; i += 1) await turn();
    for (const { lines } of [...skipping.map((sink) => sink), ending.sink]) {
      let next = 0;
      for (const line of lines) {
        if ("gap" in line) next += (line["gap"] as { missed: number }).missed;
        else if ("data" in line) expect(line["data"]).toBe(next++);
      }
      if (!("end" in (lines.at(-1) ?? {}))) expect(next).toBe(200);
    }
    expect(ending.sink.lines.at(-1)).toMatchObject({ end: { reason: "overflow" } });
    expect(hub.stats().skipped).toBeGreaterThan(0);
  });

  test("whose sink throws is closed, without an effect on others", async () => {
    const reasons: string[] = [];
    const hub = new Hub({ onClose: (_, reason) => reasons.push(reason) });
    const { sink } = await open(hub, "topic=t");
    const other = await open(hub, "topic=t");
    sink.onWrite = () => {
      throw new Error("broken");
    };
    void hub.topic<number>("t").publish(1);
    await flushed();
    expect([sink.state, reasons, other.sink.messages]).toEqual(["destroyed", ["error"], [1]]);
  });
});

describe("an application that acts within a flush", () => {
  test("may publish when a subscriber leaves", async () => {
    const hub = new Hub({
      log: { maxEntries: 4 },
      onClose: ({ id }) => {
        for (let i = 0; i < 3; i += 1) void topic.publish(`left ${id}`);
      },
    });
    const topic = hub.topic<string>("t");
    const leaving = await open(hub, "topic=t");
    const staying = await open(hub, "topic=t");
    leaving.sink.onWrite = () => leaving.connection.gone();
    void topic.publish("hello");
    await flushed();
    expect(staying.sink.messages).toEqual(["hello", "left 1", "left 1", "left 1"]);
  });

  test("may let a subscriber in, and publish, while one that a burst has passed is served", async () => {
    const hub = new Hub({ log: { maxEntries: 6 }, overflow: "skip" });
    const topic = hub.topic<number>("t");
    const { sink } = await open(hub, "topic=t");
    const late = new FakeSink();
    late.onWrite = () => {
      late.onWrite = undefined;
      void topic.publish(7);
    };
    sink.onWrite = () => {
      sink.onWrite = undefined;
      // Nothing waits here: the hub decides at once.
      const decision = hub._decide({ method: "GET", url: "/?topic=t", headers: { get: () => null } }, () => ({}));
      if ("open" in decision) decision.open(late);
    };
    for (let i = 0; i < 7; i += 1) void topic.publish(i);
    await flushed();
    void topic.publish(8);
    await flushed();
    expect(sink.messages).toEqual([7, 8]);
    expect(late.messages).toEqual([7, 8]);
  });

  test("may close other subscriptions", async () => {
    const hub = new Hub();
    const subscribers = [];
    for (let i = 0; i < 5; i += 1) subscribers.push(await open(hub, "topic=t"));
    const [first, , third] = subscribers;
    if (first === undefined || third === undefined) throw new Error("There are five.");
    first.sink.onWrite = () => third.connection.close("gone");
    void hub.topic<number>("t").publish(1);
    await flushed();
    expect(subscribers.map(({ sink }) => sink.messages)).toEqual([[1], [1], [1], [1], [1]]);
    expect(third.sink.lines.at(-1)).toMatchObject({ end: { reason: "gone", retryMs: null } });
  });
});

test("closes the hub once, and ends each subscription once, when onClose calls close", async () => {
  const reasons: string[] = [];
  const closings = new Set<Promise<void>>();
  const hub = new Hub({
    onClose: (_, reason) => {
      reasons.push(reason);
      closings.add(hub.close({ drainMs: 0 }));
    },
  });
  const all = [];
  for (let i = 0; i < 5; i += 1) all.push(await open(hub, "topic=t"));
  const closing = hub.close({ drainMs: 0 });
  for (const { connection } of all) connection.gone();
  await closing;
  expect([reasons, [...closings]]).toEqual([Array.from({ length: 5 }, () => "drain"), [closing]]);
});

import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { Iteratee, type HubOptions } from "../../../../src/index.ts";
import type { Broker, BrokerMessage, History } from "../../../../src/log/broker.ts";
import { MemoryBrokers } from "../../../../src/brokers/memory/memory-brokers.ts";
import { open } from "../../../support/fake-sink.ts";
import { FaultyBroker } from "../../../support/faulty-broker.ts";
import { followHub, notedHub, problemOf, request, type Follower, type NotedHub } from "../../../support/hub.ts";
import { turns, until } from "../../../support/sources.ts";

interface Process extends NotedHub {
  readonly broker: FaultyBroker;
}

/** Hubs of several processes on one broker. */
function processes(
  count: number,
  options: HubOptions = {},
  shared: { join(): Broker } = new MemoryBrokers(),
): Process[] {
  return Array.from({ length: count }, () => {
    const broker = new FaultyBroker(shared.join());
    return { broker, ...notedHub({ ...options, broker }) };
  });
}

afterEach(() => vi.useRealTimers());

const gaps = (follower: Follower): unknown[] =>
  follower.items.filter(({ type }) => type === "gap").map((item) => ({ ...item }));

/** Has a process whose memory holds a part of 1,000 messages read those that `from` asks for. */
async function readsBack(isDense: boolean, from: string): Promise<void> {
  vi.useFakeTimers({ toFake: ["Date", "performance"], now: Date.UTC(2026, 10, 28, 12) });
  const bounds = { log: { maxEntries: 2000, maxBytes: 2 ** 24 }, maxLogBytes: 2 ** 20 };
  const shared = new MemoryBrokers();
  const join = (): Broker => Object.assign(shared.join(), { isDense });
  const [one, other] = processes(2, bounds, { join }) as [Process, Process];
  const live = await (await followHub(one.hub, "topic=t")).begun();
  const texts = Array.from({ length: 1000 }, (_, i) => `${i} ${"x".repeat(2000)}`);
  for (const [i, text] of texts.entries()) {
    vi.advanceTimersByTime(10);
    await other.hub.topic("t").publish(text);
    if (i % 50 === 49) await live.has(i + 1);
  }
  expect(one.hub.stats().logEntries).toBeLessThan(300);
  const asked = texts.slice(from === "oldest" || from.includes("T11") ? 0 : 400);
  const reader = one.hub.topic("t").messages({ from }).run(Iteratee.takeUpTo(asked.length));
  const read = await reader;
  expect(read.map(({ data }) => data)).toEqual(asked);
  expect(read[0]).not.toHaveProperty("missed");
  // A message more, and the memory has no room for the others again.
  await other.hub.topic("t").publish("last");
  await live.has(1001);
  expect(one.hub.stats().logEntries).toBeLessThan(300);
  const follower = await followHub(one.hub, `topic=t&from=${from === "last:600" ? "last:601" : from}`);
  await follower.has(asked.length + 1);
  expect(follower.data).toEqual([...asked, "last"]);
  expect(follower.open.states).toEqual({ t: "fresh" });
  // No more than the reader asks for is in memory.
  if (isDense) expect(one.hub.stats().logEntries).toBeLessThan(asked.length + 3);
}

describe("hubs of several processes", () => {
  test("deliver a message of one to the subscribers of all, in one order, with one position", async () => {
    const [one, other] = processes(2) as [Process, Process];
    const here = await (await followHub(one.hub, "topic=t")).begun();
    const there = await (await followHub(other.hub, "topic=t&wire=sse")).begun();
    const positions = await Promise.all(
      Array.from({ length: 50 }, (_, i) => (i % 2 === 0 ? one : other).hub.topic("t").publish(i)),
    );
    await here.has(50);
    await there.has(50);
    expect(here.data).toEqual(Array.from({ length: 50 }, (_, i) => i));
    expect(there.data.map(Number)).toEqual(here.data);
    const ids = here.items.flatMap((item) => (item.type === "message" ? [item.id] : []));
    expect(ids).toEqual(positions);
  });

  test("resume a client on any hub from the broker's history", async () => {
    const [one, other, third] = processes(3) as [Process, Process, Process];
    const first = await followHub(one.hub, "topic=t&from=oldest");
    for (let i = 0; i < 10; i += 1) await one.hub.topic("t").publish(i);
    await first.has(10);
    const ids = first.items.flatMap((item) => (item.type === "message" ? [item.id] : []));
    for (const { hub } of [one, other, third]) {
      const again = await followHub(hub, `topic=t&lastEventId=${encodeURIComponent(ids[6] as string)}`);
      await again.has(3);
      expect(again.open.states).toEqual({ t: "recovered" });
      expect(again.data).toEqual([7, 8, 9]);
    }
    const oldest = await (await followHub(other.hub, "topic=t&from=oldest")).has(10);
    expect(oldest.data).toEqual(first.data);
  });

  test("read again what the memory had no room for, and tell a gap only where the broker lacks messages", async () => {
    const bounds = { log: { maxEntries: 2000, maxBytes: 2 ** 24 }, maxLogBytes: 2 ** 20 };
    const [one, other] = processes(2, bounds) as [Process, Process];
    const live = await (await followHub(one.hub, "topic=t")).begun();
    const texts = Array.from({ length: 1000 }, (_, i) => `${i} ${"x".repeat(2000)}`);
    let position = "";
    for (const [i, text] of texts.entries()) {
      const at = await other.hub.topic("t").publish(text);
      if (i === 9) position = at;
      // The memory holds some 250, and the follower must be sent them before they leave it.
      if (i % 50 === 49) await live.has(i + 1);
    }
    // The replica here is followed, and holds a part; the one over there is gone, since nobody follows it.
    expect(one.hub.stats().logBytes).toBeLessThanOrEqual(2 ** 20);
    expect(one.hub.stats().logEntries).toBeLessThan(300);
    for (const { hub } of [one, other]) {
      for (let i = 0; i < 2; i += 1) {
        const back = await followHub(hub, `topic=t&lastEventId=${encodeURIComponent(position)}`);
        await back.has(990);
        expect(back.open.states).toEqual({ t: "recovered" });
        expect(back.data).toEqual(texts.slice(10));
      }
    }
    // The broker drops the first half, and only that is missing.
    for (let i = 0; i < 1500; i += 1) {
      await other.hub.topic("t").publish(i);
      if (i % 50 === 49) await live.has(1001 + i);
    }
    const late = await followHub(one.hub, `topic=t&lastEventId=${encodeURIComponent(position)}`);
    await late.has(2000);
    expect(gaps(late)).toMatchObject([{ missed: 490 }]);
  });

  test.each(
    [true, false].flatMap((isDense) =>
      (["last:600", "since:2026-11-28T12:00:04.010Z", "oldest"] as const).map((from) => ({ isDense, from })),
    ),
  )(
    "read again what the memory had no room for, from $from, with a broker that counts its messages ($isDense)",
    ({ isDense, from }) => readsBack(isDense, from),
  );

  test("read again all, from a time before the first message", () => readsBack(true, "since:2026-11-28T11:00:00Z"));

  test("send clients what the memory has no room for, within its bound", async () => {
    const maxLogBytes = 2 ** 20;
    const options: HubOptions = { maxLogBytes, overflow: "skip", log: { maxEntries: 500 } };
    const [one, other] = processes(2, options) as [Process, Process];
    const topics = Array.from({ length: 10 }, (_, t) => `t${t}`);
    const live = await Promise.all(topics.map((topic) => followHub(one.hub, `topic=${topic}`)));
    const firsts = new Map<string, string>();
    for (const topic of topics) {
      for (let i = 0; i < 500; i += 1) {
        const position = await other.hub.topic(topic).publish(`${i} ${"x".repeat(150)}`);
        if (i === 0) firsts.set(topic, position);
      }
    }
    // The last item is the last message, or a gap up to it.
    await until(() => live.every(({ text }) => text.includes('.500"')));
    const sizes: number[] = [];
    const comeBack = async (query: string, count: number): Promise<Follower> => {
      const back = await (await followHub(one.hub, query)).has(count);
      sizes.push(one.hub.stats().logBytes);
      back.leave();
      return back;
    };
    for (const [topic, first] of firsts) {
      const back = await comeBack(`topic=${topic}&lastEventId=${encodeURIComponent(first)}`, 499);
      expect(back.open.states).toEqual({ [topic]: "recovered" });
    }
    expect(Math.max(...sizes)).toBeLessThanOrEqual(maxLogBytes);
    const both = await comeBack(
      `topic=t0&topic=t1&lastEventId=${encodeURIComponent(`${firsts.get("t0")},${firsts.get("t1")}`)}`,
      998,
    );
    expect(both.open.states).toEqual({ t0: "recovered", t1: "recovered" });
    const all = await followHub(
      one.hub,
      `${topics.map((topic) => `topic=${topic}`).join("&")}&lastEventId=${encodeURIComponent([...firsts.values()].join(","))}`,
    );
    await all.has(4990);
    expect(new Set(Object.values(all.open.states))).toEqual(new Set(["recovered"]));
    expect(one.hub.stats().logBytes).toBeLessThanOrEqual(maxLogBytes);
  });

  test("listen to no topic without subscribers", async () => {
    const [one, other] = processes(2) as [Process, Process];
    await one.hub.topic("t").publish("x");
    expect(other.hub.stats()).toMatchObject({
      topics: 0,
      broker: { replicas: 0, isConnected: true, unacknowledged: 0 },
    });
    expect(one.hub.stats()).toMatchObject({ topics: 0, published: 1, broker: { replicas: 0 } });
    expect([one.broker.reads, one.broker.listens, other.broker.listens]).toEqual([0, 0, 0]);
  });

  test("wait for the message of a position when the client is ahead of the hub", async () => {
    const [one, late] = processes(2) as [Process, Process];
    await (await followHub(late.hub, "topic=t")).begun();
    late.broker.loses = 1;
    const position = await one.hub.topic("t").publish("had");
    const client = await followHub(late.hub, `topic=t&lastEventId=${encodeURIComponent(position)}`);
    await client.begun();
    expect(client.open).toMatchObject({ states: { t: "recovered" }, position });
    await one.hub.topic("t").publish("next");
    await client.has(1);
    expect(client.data).toEqual(["next"]);
  });

  test("detect every lost notice", async () => {
    const [one, other] = processes(2) as [Process, Process];
    const client = await (await followHub(other.hub, "topic=t")).begun();
    for (let i = 0; i < 30; i += 1) {
      if (i % 3 === 1) other.broker.loses = 1 + (i % 2);
      await one.hub.topic("t").publish(i);
      await turns(1);
    }
    expect(other.broker.reads).toBeGreaterThan(5);
    other.broker.loses = 0;
    await one.hub.topic("t").publish("last");
    await client.has(31);
    expect(client.data).toEqual([...Array.from({ length: 30 }, (_, i) => i), "last"]);
    expect(gaps(client)).toEqual([]);
  });

  test("keep their clients during an outage of the broker, reject publishes, and deliver all messages after it", async () => {
    const [one, other] = processes(2) as [Process, Process];
    const client = await (await followHub(one.hub, "topic=t")).begun();
    await other.hub.topic("t").publish("before");
    await client.has(1);
    one.broker.cut();
    await expect(one.hub.topic("t").publish("not")).rejects.toMatchObject({ code: "ERR_BROKER" });
    for (let i = 0; i < 5; i += 1) await other.hub.topic("t").publish(i);
    expect(one.hub.stats().broker?.isConnected).toBe(false);
    expect(one.errors).toMatchObject([{ code: "ERR_BROKER" }]);
    // A topic that is attached already has its log; another one must be read from the broker.
    const known = await (await followHub(one.hub, `topic=t&from=oldest`)).has(1);
    await problemOf(await one.hub.fetch(request("topic=u")), 503, "ERR_BROKER");
    one.broker.restore();
    await client.has(6);
    await known.has(6);
    expect(client.data).toEqual(["before", 0, 1, 2, 3, 4]);
    expect(known.data).toEqual(client.data);
    expect(gaps(client)).toEqual([]);
    expect(one.hub.stats()).toMatchObject({ connections: 2, broker: { isConnected: true } });
  });

  test.each(["resume", "skip", "latest"] as const)(
    "report a gap for messages that the broker has trimmed meanwhile (%s)",
    async (overflow) => {
      const [one, other] = processes(2, { log: { maxEntries: 3 }, overflow }) as [Process, Process];
      const clients = await Promise.all(
        ["", "&wire=sse", "&wire=comet&mode=managed", "&wire=comet"].map((wire) =>
          followHub(one.hub, `topic=t${wire}`),
        ),
      );
      for (const client of clients) await client.begun();
      await other.hub.topic("t").publish("before");
      for (const client of clients) await client.has(1);
      one.broker.cut();
      for (let i = 0; i < 10; i += 1) await other.hub.topic("t").publish(i);
      one.broker.restore();
      for (const client of clients) {
        await client.has(4);
        const types = client.items.map(({ type }) => type).filter((type) => type !== "heartbeat");
        expect(types).toEqual(["open", "message", "gap", "message", "message", "message"]);
        expect(client.data.map(String)).toEqual(["before", "7", "8", "9"]);
        expect(client.over).toBe(false);
      }
      const gap = clients[0]?.items.find(({ type }) => type === "gap") as { missed: number; position: string };
      expect(gap.missed).toBe(7);
      // A client can resume from the position after the gap.
      const again = await (
        await followHub(other.hub, `topic=t&lastEventId=${encodeURIComponent(gap.position)}`)
      ).has(3);
      expect(again.open.states).toEqual({ t: "recovered" });
      expect(again.data).toEqual([7, 8, 9]);
      expect(one.hub.stats().skipped).toBe(7 * clients.length);
    },
  );

  test("begin another epoch with the broker, with a gap for every client", async () => {
    const shared = new MemoryBrokers();
    const [one, other] = processes(2, {}, shared) as [Process, Process];
    const client = await (await followHub(one.hub, "topic=t&from=oldest")).begun();
    const position = await other.hub.topic("t").publish("before");
    await client.has(1);
    const epoch = /=(\w+)\./.exec(position)?.[1] as string;
    await other.broker.renew("t", epoch);
    const renewed = await other.hub.topic("t").publish("after");
    expect(renewed).not.toContain(epoch);
    await client.has(2);
    expect(client.items.map(({ type }) => type)).toEqual(["open", "message", "gap", "message"]);
    expect(gaps(client)).toMatchObject([{ topic: "t", missed: null }]);
    const late = await followHub(one.hub, `topic=t&lastEventId=${encodeURIComponent(position)}`);
    await late.has(1);
    expect(late.open.states).toEqual({ t: "gap" });
    expect(gaps(late)).toMatchObject([{ missed: null }]);
    expect(late.data).toEqual(["after"]);
  });

  test("accept many notices while they read", async () => {
    const [one, other] = processes(2) as [Process, Process];
    const client = await (await followHub(other.hub, "topic=t")).begun();
    let go = (): void => undefined;
    other.broker.gate = new Promise<void>((resolve) => (go = resolve));
    other.broker.restore();
    await until(() => other.broker.reads === 2);
    for (let i = 0; i < 1500; i += 1) await one.hub.topic("t").publish(i);
    await until(() => other.broker.told === 1500);
    other.broker.gate = Promise.resolve();
    go();
    await client.has(1500);
    expect(client.data).toEqual(Array.from({ length: 1500 }, (_, i) => i));
  });

  test.each([true, false])("detect a broker that has lost its newest messages (notified: %s)", async (isTold) => {
    const broker = new Rewound();
    const { hub } = notedHub({ broker });
    const client = await (await followHub(hub, "topic=t")).begun();
    const epoch = broker.epoch;
    for (const text of ["a", "b", "c"]) broker.add(text);
    await client.has(3);
    // The broker restarts without the last message, and reuses its offset.
    broker.rewind(2);
    broker.isSilent = !isTold;
    broker.add("d");
    broker.isSilent = false;
    broker.host?.restored();
    await until(() => broker.epoch !== epoch);
    broker.add("e");
    await client.has(4);
    expect(client.data).toEqual(["a", "b", "c", "e"]);
    expect(gaps(client)).toMatchObject([{ missed: null }]);
  });

  test("deliver no malformed message of a foreign writer to pages", async () => {
    const broker = new Rewound();
    const { hub, errors } = notedHub({ broker });
    const page = await (await followHub(hub, "topic=t&wire=comet")).begun();
    const lines = await (await followHub(hub, "topic=t")).begun();
    broker.add("a");
    broker.addRaw('{"html":"</script><script>evil()</script>\u2028"}');
    broker.addRaw('{"html":\n1}');
    broker.addRaw('nonsense"}');
    broker.addRaw('"x"', { event: "a\ndata: b" });
    broker.add("z");
    for (const follower of [page, lines]) {
      await follower.has(4);
      expect(follower.data).toEqual(["a", { html: "</script><script>evil()</script>\u2028" }, { html: 1 }, "z"]);
      expect(gaps(follower)).toMatchObject([{ missed: 2 }]);
    }
    expect(page.text).not.toContain("evil()</script>");
    expect(errors).toMatchObject([{ code: "ERR_MESSAGE" }, { code: "ERR_MESSAGE" }]);
    const late = await (await followHub(hub, "topic=t&from=oldest")).has(4);
    expect(late.data).toEqual(lines.data);
    expect(gaps(late)).toMatchObject([{ missed: 2 }]);
  });

  test("read a history whose offsets have holes", async () => {
    const broker = new Rewound(7);
    const { hub } = notedHub({ broker, log: { maxEntries: 4 } });
    const client = await (await followHub(hub, "topic=t")).begun();
    for (const text of ["a", "b", "c", "d"]) broker.add(text);
    await client.has(4);
    const id = (i: number): string => `t=${broker.epoch}.${7 * (i + 1)}`;
    expect(client.items.flatMap((item) => (item.type === "message" ? [item.id] : []))).toEqual([0, 1, 2, 3].map(id));
    const from = async (position: string): Promise<Follower> =>
      (await followHub(hub, `topic=t&lastEventId=${encodeURIComponent(position)}`)).begun();
    expect((await (await from(id(1))).has(2)).data).toEqual(["c", "d"]);
    // A position between two offsets is after the first.
    expect((await (await from(`t=${broker.epoch}.17`)).has(2)).data).toEqual(["c", "d"]);
    for (const text of ["e", "f"]) broker.add(text);
    await client.has(6);
    // The log holds four, and the broker all.
    const late = await (await from(id(0))).has(5);
    expect(late.data).toEqual(["b", "c", "d", "e", "f"]);
    expect(late.open.states).toEqual({ t: "recovered" });
    expect((await (await from(id(1))).has(4)).open.states).toEqual({ t: "recovered" });
  });

  test("send a client that the log has passed what the broker holds, and end a stream at its client's last message", async () => {
    const broker = new Rewound(7);
    const { hub } = notedHub({ broker, log: { maxEntries: 4 } });
    const client = await (await followHub(hub, "topic=t")).begun();
    const { sink } = await open(hub, "topic=t");
    for (const text of ["a", "b"]) broker.add(text);
    await client.has(2);
    sink.full = true;
    broker.add("c");
    await client.has(3);
    // In one turn more than the log holds: it passes the one that is up to date, and the one that is full.
    for (const text of ["d", "e", "f", "g", "h", "i"]) broker.add(text);
    await client.has(9);
    expect(client.data).toEqual(["a", "b", "c", "d", "e", "f", "g", "h", "i"]);
    expect(gaps(client)).toEqual([]);
    const id = `t=${broker.epoch}.${3 * 7}`;
    void hub.close({ drainMs: 0 });
    await until(() => sink.state === "ended");
    expect(sink.lines.at(-1)).toMatchObject({ end: { position: id } });
  });

  test("end a stream at the client's last message after the broker has begun another epoch", async () => {
    const broker = new Rewound(7);
    const { hub } = notedHub({ broker });
    const client = await (await followHub(hub, "topic=t")).begun();
    const { sink } = await open(hub, "topic=t");
    sink.full = true;
    broker.add("a");
    await client.has(1);
    const id = `t=${broker.epoch}.7`;
    for (const text of ["b", "c"]) broker.add(text);
    await client.has(3);
    await broker.renew("t", broker.epoch);
    broker.host?.restored();
    await until(() => gaps(client).length === 1);
    void hub.close({ drainMs: 0 });
    await until(() => sink.state === "ended");
    expect(sink.lines.at(-1)).toMatchObject({ end: { position: id } });
  });

  test("serve enumerators as well", async () => {
    const [one, other] = processes(2) as [Process, Process];
    const position = await one.hub.topic("t").publish("a");
    const read = async (from: string, count: number): Promise<unknown[]> => {
      const data: unknown[] = [];
      for await (const message of other.hub.topic("t").messages({ from })) if (data.push(message.data) === count) break;
      return data;
    };
    const newest = read("newest", 1);
    await until(() => other.hub.stats().broker?.replicas === 1);
    await other.broker.gate;
    await until(() => other.broker.reads > 0);
    await one.hub.topic("t").publish("b");
    expect(await read(position, 1)).toEqual(["b"]);
    expect(await read("oldest", 2)).toEqual(["a", "b"]);
    await one.hub.topic("t").publish("c");
    expect(["b", "c"]).toContain((await newest)[0]);
    await expect(read("t=nosuch.3", 1)).rejects.toMatchObject({ code: "ERR_OVERFLOW" });
    other.broker.cut();
    await expect(read("t=nosuch.3", 1)).rejects.toMatchObject({ code: "ERR_BROKER" });
  });

  test("close their broker, and reject later publishes", async () => {
    const [one] = processes(1) as [Process];
    await (await followHub(one.hub, "topic=t")).begun();
    await one.hub.close({ drainMs: 0 });
    expect(one.broker.isClosed).toBe(true);
    expect(one.broker.listens).toBe(0);
    expect(() => one.hub.topic("t").publish("x")).toThrow(expect.objectContaining({ code: "ERR_CLOSED" }) as Error);
  });

  test("report other failures of a broker to the application, and retry", async () => {
    const [one, other] = processes(2) as [Process, Process];
    one.broker.failure = new Error("broken");
    await problemOf(await one.hub.fetch(request("topic=t")), 503, "ERR_BROKER");
    expect(one.errors).toMatchObject([{ message: "broken" }]);
    one.broker.failure = undefined;
    await other.hub.topic("t").publish("x");
    await until(() => one.broker.reads > 1);
    await one.broker.gate;
    const client = await (await followHub(one.hub, "topic=t&from=oldest")).has(1);
    expect(client.data).toEqual(["x"]);
  });

  test("reject a value that is no broker", () => {
    expect(() => notedHub({ broker: Promise.resolve() as never })).toThrow(/awaited/);
    expect(() => notedHub({ broker: "redis" as never })).toThrow(
      expect.objectContaining({ code: "ERR_OPTION" }) as Error,
    );
  });
});

/** A broker of one topic that may lose its newest messages, and skip offsets. */
class Rewound implements Broker {
  readonly name = "rewound";
  readonly isDense: boolean;
  readonly #step: number;
  #messages: BrokerMessage[] = [];
  #listener: Parameters<Broker["listen"]>[1] | undefined;
  #floor = 0;
  epoch = "e1";
  isSilent = false;
  host: Parameters<Broker["attach"]>[0] | undefined;

  constructor(step = 1) {
    this.#step = step;
    this.isDense = step === 1;
    onTestFinished(() => (this.#listener = undefined));
  }

  get #head(): number {
    return this.#messages.at(-1)?.offset ?? this.#floor;
  }

  add(text: string): void {
    this.addRaw(JSON.stringify(text));
  }

  addRaw(json: string, more: { readonly event?: string } = {}): void {
    const previous = this.#head;
    const fields = { event: undefined, key: undefined, messageId: undefined, ...more };
    const message = { offset: previous + this.#step, at: Date.now(), json, ...fields };
    this.#messages.push(message);
    if (!this.isSilent) this.#listener?.({ epoch: this.epoch, previous, message });
  }

  rewind(left: number): void {
    this.#messages = this.#messages.slice(0, left);
  }

  attach(host: Parameters<Broker["attach"]>[0]): void {
    this.host = host;
  }

  publish(): Promise<never> {
    return Promise.reject(new Error("not here"));
  }

  read(_topic: string, after: number): Promise<History> {
    const messages = this.#messages.filter(({ offset }) => offset > after);
    return Promise.resolve({ epoch: this.epoch, floor: this.#floor, head: this.#head, messages, now: Date.now() });
  }

  listen(_topic: string, listener: Parameters<Broker["listen"]>[1]): Promise<void> {
    this.#listener = listener;
    return Promise.resolve();
  }

  unlisten(): void {
    this.#listener = undefined;
  }

  renew(_topic: string, epoch: string): Promise<void> {
    if (epoch === this.epoch) {
      this.epoch += "x";
      this.#floor = this.#head;
      this.#messages = [];
    }
    return Promise.resolve();
  }

  signal(): void {
    // No listener is notified.
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

import { afterEach, describe, expect, onTestFinished, test, vi } from "vitest";
import { MemoryBrokers } from "../../../../src/brokers/memory/memory-brokers.ts";
import { Hub, Iteratee, type HubOptions } from "../../../../src/index.ts";
import { FaultyBroker } from "../../../support/faulty-broker.ts";
import { open } from "../../../support/fake-sink.ts";
import type { Follower } from "../../../support/hub.ts";
import { followHub, notedHub, problemOf, request, wires, type NotedHub } from "../../../support/hub.ts";
import { errorOf, expectCode, turns, until } from "../../../support/sources.ts";

interface Process extends NotedHub {
  readonly broker: FaultyBroker;
}

interface WorldOptions extends HubOptions {
  readonly isDense?: boolean;
  readonly page?: number;
}

/** Processes on one broker that keeps 5,000 messages of a topic, where a log keeps ten. */
function processes(count: number, { isDense = true, page = 50, ...options }: WorldOptions = {}): Process[] {
  const shared = new MemoryBrokers();
  return Array.from({ length: count }, () => {
    const broker = new FaultyBroker(shared.join(), { isDense, page });
    const bounds = { log: { maxEntries: 10 }, history: { maxEntries: 5000 } };
    return { broker, ...notedHub({ ...bounds, ...options, broker }) };
  });
}

async function publish(hub: Hub, from: number, to: number, topic = "t"): Promise<string[]> {
  const positions: string[] = [];
  for (let i = from; i < to; i += 1) positions.push(await hub.topic(topic).publish(i));
  return positions;
}

const range = (from: number, to: number): number[] => Array.from({ length: to - from }, (_, i) => from + i);
const gaps = (follower: Follower): unknown[] => follower.items.filter(({ type }) => type === "gap");
const after = (position: string): string => `lastEventId=${encodeURIComponent(position)}`;

/** Polls until a number of messages has come. */
async function poll(hub: Hub, query: string, count: number): Promise<{ data: unknown[]; states: unknown[] }> {
  const data: unknown[] = [];
  const states: unknown[] = [];
  for (let next = query; data.length < count;) {
    const answer = await (await followHub(hub, `topic=t&wire=poll&${next}`)).ended();
    data.push(...answer.data);
    states.push(answer.open.states["t"]);
    next = after(answer.end.position);
  }
  return { data, states };
}

afterEach(() => vi.useRealTimers());

describe.each([true, false])("a reader behind the log (dense offsets: %s)", (isDense) => {
  test.each(wires)("is sent all that the broker holds, over %s", async (wire) => {
    const [one, other] = processes(2, { isDense }) as [Process, Process];
    const positions = await publish(one.hub, 0, 1000);
    const cases = ["from=oldest", after(positions[0] as string), after(positions[499] as string)];
    const starts = [0, 1, 500];
    for (const [i, query] of cases.entries()) {
      const expected = range(starts[i] as number, 1000);
      if (wire === "poll") {
        const { data, states } = await poll(other.hub, query, expected.length);
        expect(data).toEqual(expected);
        expect(new Set(states)).toEqual(new Set(i === 0 ? ["fresh", "recovered"] : ["recovered"]));
        continue;
      }
      const reader = await (await followHub(other.hub, `topic=t&wire=${wire}&${query}`)).has(expected.length);
      expect(reader.data.map(Number)).toEqual(expected);
      expect(gaps(reader)).toEqual([]);
      if (wire !== "ndjson") continue;
      expect(reader.open.states).toEqual({ t: i === 0 ? "fresh" : "recovered" });
      const ids = reader.items.flatMap((item) => (item.type === "message" ? [item.id] : []));
      expect(ids).toEqual(positions.slice(starts[i]));
    }
    // New messages follow those of the broker.
    const reader = await (await followHub(other.hub, `topic=t&from=oldest`)).has(1000);
    await publish(one.hub, 1000, 1010);
    await reader.has(1010);
    expect(reader.data).toEqual(range(0, 1010));
    expect(other.hub.stats().logEntries).toBe(10);
  });

  test.each([1, 10, 11, 60, 399, 900])("begins before the last %i messages", async (last) => {
    const [one, other] = processes(2, { isDense }) as [Process, Process];
    await publish(one.hub, 0, 400);
    const reader = await followHub(other.hub, `topic=t&from=last:${last}`);
    await reader.has(Math.min(last, 400));
    expect(reader.data).toEqual(range(Math.max(0, 400 - last), 400));
    expect(reader.open.states).toEqual({ t: "fresh" });
    expect(gaps(reader)).toEqual([]);
    const read = await other.hub
      .topic("t")
      .messages({ from: `last:${last}` })
      .run(Iteratee.takeUpTo(Math.min(last, 400)));
    expect(read.map(({ data }) => data)).toEqual(reader.data);
  });

  test("begins at any time", async () => {
    vi.useFakeTimers({ toFake: ["Date", "performance"], now: Date.UTC(2026, 10, 28, 12) });
    const [one, other] = processes(2, { isDense, page: 7 }) as [Process, Process];
    for (let i = 0; i < 200; i += 1) {
      // Two of each time.
      if (i % 2 === 0) vi.advanceTimersByTime(1000);
      await one.hub.topic("t").publish(i);
    }
    for (let second = -1; second <= 101; second += 1) {
      const since = new Date(Date.UTC(2026, 10, 28, 12) + second * 1000).toISOString();
      const first = Math.max(0, (second - 1) * 2);
      const reader = await followHub(other.hub, `topic=t&from=since:${since}`);
      await (first >= 200 ? reader.begun() : reader.has(200 - first));
      expect(reader.data).toEqual(range(first, 200));
      expect(reader.open.states).toEqual({ t: "fresh" });
      reader.leave();
    }
  });

  test("is told exactly what the broker has dropped", async () => {
    const [one, other] = processes(2, { isDense, history: { maxEntries: 300 } }) as [Process, Process];
    const positions = await publish(one.hub, 0, 1000);
    const reader = await (await followHub(other.hub, `topic=t&${after(positions[99] as string)}`)).has(300);
    expect(reader.data).toEqual(range(700, 1000));
    expect(reader.open.states).toEqual({ t: "gap" });
    expect(gaps(reader)).toMatchObject([{ missed: isDense ? 600 : null, position: positions[699] }]);
    const read = await other.hub.topic("t").messages({ from: "oldest" }).run(Iteratee.takeUpTo(300));
    expect(read.map(({ data }) => data)).toEqual(range(700, 1000));
    expect(read[0]?.missed).toBe(isDense ? 700 : null);
    await expectCode("ERR_OVERFLOW", () =>
      other.hub
        .topic("t")
        .messages({ from: positions[0] as string })
        .run(Iteratee.takeUpTo(1)),
    );
  });

  test("is sent what the broker holds while it is slower than the publisher", async () => {
    const [one] = processes(1, { isDense }) as [Process];
    const { sink, connection } = await open(one.hub, "topic=t");
    sink.full = true;
    await publish(one.hub, 0, 1);
    await until(() => sink.messages.length === 1);
    await publish(one.hub, 1, 900);
    sink.full = false;
    connection.drained();
    await until(() => sink.messages.length === 900);
    expect(sink.messages).toEqual(range(0, 900));
    expect(sink.lines.filter((line) => "gap" in line)).toEqual([]);
    await publish(one.hub, 900, 901);
    await until(() => sink.messages.length === 901);
    expect(sink.state).toBe("open");
  });

  test("misses nothing where the broker's answer is older than the log", async () => {
    const [one, other] = processes(2, { isDense, history: { maxEntries: 30 } }) as [Process, Process];
    const positions = await publish(one.hub, 0, 100);
    await (await followHub(other.hub, "topic=t")).begun();
    const read = other.broker.read.bind(other.broker);
    let published = 100;
    vi.spyOn(other.broker, "read").mockImplementation(async (topic, after, bounds, current) => {
      const history = await read(topic, after, bounds, current);
      if (after === 0 || published > 500) return history;
      // All that it names is gone when it arrives.
      published += 50;
      const through = published;
      await publish(one.hub, through - 50, through);
      await until(() => other.broker.told >= through - 100);
      // Those that it had were gone when it looked for them.
      return through === 150 ? { ...history, floor: history.head, messages: [] } : history;
    });
    const reader = await followHub(other.hub, `topic=t&${after(positions[50] as string)}`);
    await until(() => reader.data.at(-1) === published - 1);
    let next = 51;
    for (const item of reader.items) {
      // Each number is the offset of the message before it.
      if (item.type === "gap") next = Number(item.position.split(".")[1]);
      if (item.type !== "message") continue;
      expect(item.data).toBe(next);
      next = (item.data as number) + 1;
    }
    expect(next).toBe(published);
  });

  test("reads on in the broker as an enumerator that the log passes", async () => {
    const [one] = processes(1, { isDense }) as [Process];
    const messages = one.hub.topic("t").messages()[Symbol.asyncIterator]();
    onTestFinished(() => void messages.return?.(undefined));
    const first = messages.next();
    await until(() => one.broker.listens === 1);
    await turns();
    await publish(one.hub, 0, 400);
    expect((await first).value).toMatchObject({ data: 0 });
    for (let i = 1; i < 400; i += 1) expect((await messages.next()).value).toMatchObject({ data: i });
  });
});

describe("pages of older messages", () => {
  test("are read by few requests for many readers in the same place, and by a bounded number at a time", async () => {
    const [one, other] = processes(2, { history: { maxEntries: 5000 } }) as [Process, Process];
    const positions = await publish(one.hub, 0, 1000);
    await (await followHub(other.hub, "topic=t")).begun();
    const before = other.broker.reads;
    const readers = await Promise.all(range(0, 50).map(() => followHub(other.hub, "topic=t&from=oldest")));
    for (const reader of readers) expect((await reader.has(1000)).data).toEqual(range(0, 1000));
    expect(other.broker.reads - before).toBeLessThanOrEqual(25);
    // Each in a place of its own, and all at once.
    const own = await Promise.all(
      range(0, 200).map((i) => followHub(other.hub, `topic=t&${after(positions[i * 4] as string)}`)),
    );
    for (const [i, reader] of own.entries())
      expect((await reader.has(999 - i * 4)).data).toEqual(range(i * 4 + 1, 1000));
    expect(other.broker.mostReads).toBeLessThanOrEqual(8);
  });

  test("take no more memory than the bound of all logs allows", async () => {
    const options = { maxLogBytes: 2 ** 20, page: 500, history: { maxEntries: 5000, maxBytes: 2 ** 26 } };
    const [one, other] = processes(2, options) as [Process, Process];
    const texts = range(0, 3000).map((i) => `${i} ${"x".repeat(2000)}`);
    for (const text of texts) await one.hub.topic("t").publish(text);
    const readers = await Promise.all(range(0, 10).map(() => followHub(other.hub, "topic=t&from=oldest")));
    for (const reader of readers) {
      await reader.has(3000);
      expect(other.hub.stats().logBytes).toBeLessThanOrEqual(2 ** 20);
      expect(reader.data).toEqual(texts);
    }
  });

  test("leave the memory when nobody reads them any more", async () => {
    vi.useFakeTimers({ toFake: ["Date", "performance", "setInterval", "clearInterval"] });
    const [one, other] = processes(2) as [Process, Process];
    await publish(one.hub, 0, 1000);
    await (await followHub(other.hub, "topic=t&from=oldest")).has(1000);
    const full = other.hub.stats().logBytes;
    await vi.advanceTimersByTimeAsync(20_000);
    expect(other.hub.stats().logBytes).toBeLessThan(full / 5);
  });

  test("are read anew by a client whose hub has lost its broker in between", async () => {
    const [one, other] = processes(2) as [Process, Process];
    await publish(one.hub, 0, 500);
    const { sink, connection } = await open(other.hub, "topic=t&from=oldest");
    sink.onWrite = () => {
      if (!sink.text.includes('"data":99}') || sink.full) return;
      sink.full = true;
      other.broker.cut();
    };
    await until(() => sink.full);
    sink.full = false;
    connection.drained();
    await until(() => sink.state === "ended");
    const end = sink.lines.at(-1) as { end: { reason: string; position: string; retryMs: number } };
    expect(end.end).toMatchObject({ reason: "recycle", retryMs: 1000 });
    await problemOf(await other.hub.fetch(request(`topic=t&${after(end.end.position)}`)), 503, "ERR_BROKER");
    other.broker.restore();
    const rest = await (
      await followHub(other.hub, `topic=t&${after(end.end.position)}`)
    ).has(500 - sink.messages.length);
    expect([...sink.messages, ...rest.data]).toEqual(range(0, 500));
  });

  test("come first, each topic whole and in order, in a stream of several topics", async () => {
    const [one, other] = processes(2) as [Process, Process];
    await publish(one.hub, 0, 200, "a");
    await publish(one.hub, 0, 200, "b");
    await publish(one.hub, 0, 5, "c");
    const reader = await (await followHub(other.hub, "topic=a&topic=b&topic=c&from=oldest")).has(405);
    const counts = { a: 200, b: 200, c: 5 };
    for (const [topic, count] of Object.entries(counts)) {
      const data = reader.items.flatMap((item) =>
        item.type === "message" && item.id.startsWith(`${topic}=`) ? [item.data] : [],
      );
      expect(data).toEqual(range(0, count));
    }
    // The position names all of them at any time.
    const sse = await (await followHub(other.hub, "topic=a&topic=b&topic=c&wire=sse&from=oldest")).has(405);
    const middle = sse.items.filter(({ type }) => type === "message").at(249) as { id: string };
    const rest = await (await followHub(other.hub, `topic=a&topic=b&topic=c&${after(middle.id)}`)).has(155);
    expect(rest.open.states).toEqual({ a: "recovered", b: "recovered", c: "recovered" });
    await turns();
    expect(rest.data).toHaveLength(155);
  });

  test("leave out the messages with newer ones of their keys, under latest", async () => {
    const [one, other] = processes(2, { overflow: "latest", page: 500 }) as [Process, Process];
    const positions: string[] = [];
    for (let i = 0; i < 400; i += 1) positions.push(await one.hub.topic("t").publish(i, { key: `k${i % 4}` }));
    positions.push(await one.hub.topic("t").publish("without"));
    for (let i = 0; i < 20; i += 1) await one.hub.topic("t").publish(i, { key: "k0" });
    const reader = await (await followHub(other.hub, `topic=t&${after(positions[0] as string)}`)).begun();
    await until(() => reader.data.at(-1) === 19);
    expect(reader.data.slice(0, 4)).toEqual([397, 398, 399, "without"]);
    // What was left out is told.
    const missed = gaps(reader).reduce<number>((sum, gap) => sum + (gap as { missed: number }).missed, 0);
    expect(missed + reader.data.length).toBe(420);
  });

  test("are read by a topic that ends, up to its end", async () => {
    const [one, other] = processes(2) as [Process, Process];
    const topic = one.hub.topic<number>("f", { finite: true });
    for (let i = 0; i < 300; i += 1) await topic.publish(i);
    await topic.end();
    const reader = await (await followHub(other.hub, "topic=f")).ended();
    expect(reader.data).toEqual(range(0, 300));
    expect(reader.end.reason).toBe("gone");
    const late = await other.hub.topic<number>("f").messages().run(Iteratee.takeUpTo(301));
    expect(late.map(({ data }) => data)).toEqual(range(0, 300));
  });
});

describe("a replica", () => {
  test("begins with the newest messages, and leaves the others to the broker", async () => {
    const [one, other] = processes(2, { page: 100 }) as [Process, Process];
    await publish(one.hub, 0, 3000);
    await (await followHub(other.hub, "topic=t")).begun();
    expect(other.hub.stats().logEntries).toBe(10);
    expect(other.broker.reads).toBeLessThanOrEqual(4);
  });

  test("reads no more than about twice the bytes of the log", async () => {
    const options = { page: 20, log: { maxEntries: 4000, maxBytes: 100_000 }, history: { maxBytes: 2 ** 26 } };
    const [one, other] = processes(2, { ...options, history: { maxEntries: 5000, maxBytes: 2 ** 26 } }) as [
      Process,
      Process,
    ];
    const text = "x".repeat(10_000);
    for (let i = 0; i < 1000; i += 1) await one.hub.topic("t").publish(text);
    await (await followHub(other.hub, "topic=t")).begun();
    // Ten fit into the log.
    expect(other.broker.reads).toBeLessThanOrEqual(6);
    expect(other.hub.stats().logEntries).toBe(9);
  });
});

describe("the option history", () => {
  const broker = (): FaultyBroker => new FaultyBroker(new MemoryBrokers().join());

  test.each<[string, () => HubOptions, RegExp]>([
    ["without a broker", () => ({ history: { maxEntries: 5000 } }), /kept by a broker/],
    [
      "below the log",
      () => ({ broker: broker(), history: { maxAgeMs: 1000 } }),
      /history\.maxAgeMs \(1000\) must not be below/,
    ],
    ["not a number", () => ({ broker: broker(), history: { maxBytes: NaN } }), /history\.maxBytes/],
  ])("is refused %s", async (_name, options, message) => {
    const error = await errorOf(() => new Hub(options()));
    expect(error).toMatchObject({ code: "ERR_OPTION" });
    expect((error as Error).message).toMatch(message);
  });

  test("of a topic has the hub's bounds where it leaves them out, and the log's where both do", async () => {
    const given = broker();
    const asked: unknown[] = [];
    const spied = vi.spyOn(given, "publish").mockImplementation((_topic, _message, bounds) => {
      asked.push(bounds);
      return Promise.resolve({ epoch: "e", offset: 1 });
    });
    const topics = (): HubOptions["topics"] => () => ({ log: { maxBytes: 2048 }, history: { maxEntries: 7000 } });
    const { hub } = notedHub({ broker: given, history: { maxAgeMs: 86_400_000 }, topics: topics() as never });
    await hub.topic("t").publish(1);
    expect(asked).toEqual([{ maxEntries: 7000, maxBytes: 2048, maxAgeMs: 86_400_000 }]);
    spied.mockRestore();
  });
});

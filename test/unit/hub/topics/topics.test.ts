import { afterEach, describe, expect, test, vi } from "vitest";
import { Enumeratee, Iteratee } from "../../../../src/index.ts";
import { Hub, type TopicMessage } from "../../../../src/index.ts";
import { FakeSink, flushed, open } from "../../../support/fake-sink.ts";
import { compressesAll } from "../../../support/compresses-all.ts";
import { expectCode } from "../../../support/sources.ts";

afterEach(() => vi.useRealTimers());

const collect = <E>(): Iteratee<E, E[]> => Iteratee.collect<E>();

describe("publishing", () => {
  test("resolves to the position, from which a client may resume", async () => {
    const hub = new Hub();
    const topic = hub.topic<string>("a b");
    const position = await topic.publish("one");
    expect(position).toMatch(/^a%20b=[a-z0-9]{9,}\.1$/);
    void topic.publish("two");
    const { sink } = await open(hub, `topic=a%20b&lastEventId=${encodeURIComponent(position)}`);
    expect(sink.messages).toEqual(["two"]);
  });

  test("encodes at once, so that a later change to the object has no effect", async () => {
    const hub = new Hub();
    const { sink } = await open(hub, "topic=t");
    const story = { title: "before" };
    void hub.topic<{ title: string }>("t").publish(story);
    story.title = "after";
    await flushed();
    expect(sink.messages).toEqual([{ title: "before" }]);
  });

  test("deduplicates a message id while the log holds its message", async () => {
    const hub = new Hub({ log: { maxEntries: 2 } });
    const { sink } = await open(hub, "topic=t");
    const topic = hub.topic<string>("t");
    const first = await topic.publish("a", { messageId: "m" });
    expect(await topic.publish("a again", { messageId: "m" })).toBe(first);
    await topic.publish("b");
    await topic.publish("c");
    expect(await topic.publish("d", { messageId: "m" })).not.toBe(first);
    await flushed();
    expect(sink.messages).toEqual(["a", "b", "c", "d"]);
    expect(hub.stats().published).toBe(4);
  });

  test("accepts other types with an encoder", async () => {
    const hub = new Hub();
    const { sink } = await open(hub, "topic=dates");
    void hub.topic("dates", { encoder: (date: Date) => date.toISOString() }).publish(new Date(0));
    await flushed();
    expect(sink.messages).toEqual(["1970-01-01T00:00:00.000Z"]);
  });

  test("rejects a message that is too large by its own bytes, without those that escape it for a script", async () => {
    const hub = new Hub({ maxMessageBytes: 100 });
    const topic = hub.topic<string>("t");
    await topic.publish("<".repeat(98));
    await expectCode("ERR_MESSAGE", () => topic.publish("<".repeat(99)), /at most 100 bytes of JSON, not 101/);
    await topic.publish("ü".repeat(49));
    await expectCode("ERR_MESSAGE", () => topic.publish("ü".repeat(50)));
  });
});

describe("topics", () => {
  test("are defined by the application, each with its options", async () => {
    const hub = new Hub({ topics: (name) => name === "news" || (name === "short" && { log: { maxEntries: 1 } }) });
    await expectCode("ERR_TOPIC_UNKNOWN", () => hub.topic("other"));
    for (const name of ["news", "short"]) for (const text of ["a", "b"]) void hub.topic<string>(name).publish(text);
    expect((await open(hub, "topic=news&from=oldest")).sink.messages).toEqual(["a", "b"]);
    expect((await open(hub, "topic=short&from=oldest")).sink.messages).toEqual(["b"]);
  });

  test.each([{ log: { maxEntries: 0 } }, { overflow: "never" }])("reject invalid options: %j", async (options) => {
    const hub = new Hub({ topics: () => options as never });
    await expectCode("ERR_OPTION", () => hub.topic<string>("t").publish("x"));
  });

  test("are evicted when their messages have expired and they have no subscriber, and then begin another epoch", async () => {
    vi.useFakeTimers();
    const hub = new Hub({ log: { maxAgeMs: 10_000 } });
    const position = await hub.topic<string>("idle").publish("x");
    await hub.topic<string>("followed").publish("x");
    const { connection } = await open(hub, "topic=followed");
    await vi.advanceTimersByTimeAsync(9000);
    expect(hub.stats()).toMatchObject({ topics: 2, logEntries: 2 });
    await vi.advanceTimersByTimeAsync(3000);
    expect(hub.stats()).toMatchObject({ topics: 1, logEntries: 0, logBytes: 0 });
    connection.gone();
    // A subscriber that reconnects before the messages expire finds the topic unchanged.
    await vi.advanceTimersByTimeAsync(9000);
    const { sink } = await open(hub, `topic=followed&lastEventId=${encodeURIComponent(connection.position)}`);
    expect(sink.lines[0]).toMatchObject({ open: { states: { followed: "recovered" } } });
    const back = await open(hub, `topic=idle&lastEventId=${encodeURIComponent(position)}`);
    expect(back.sink.lines).toMatchObject([
      { open: { states: { idle: "gap" } } },
      { gap: { topic: "idle", missed: null } },
    ]);
  });

  test("leave no timer when the last is evicted", async () => {
    vi.useFakeTimers();
    const hub = new Hub({ log: { maxAgeMs: 100 } });
    const { connection } = await open(hub, "topic=t");
    expect(vi.getTimerCount()).toBe(1);
    for (let i = 0; i < 50; i += 1) (await open(hub, `topic=t${i}`)).connection.gone();
    expect(vi.getTimerCount()).toBe(1);
    connection.gone();
    await vi.advanceTimersByTimeAsync(1000);
    expect([hub.stats().topics, vi.getTimerCount()]).toEqual([0, 0]);
  });

  test("are bounded in number: one without subscribers is evicted for another, and one more is rejected if there is none", async () => {
    const hub = new Hub({ maxTopics: 3 });
    for (let i = 0; i < 100; i += 1) await hub.topic<number>(`t${i}`).publish(i);
    expect(hub.stats()).toMatchObject({ topics: 3, logEntries: 3 });
    for (const name of ["a", "b", "c"]) {
      await open(hub, `topic=${name}`);
      await hub.topic<number>(name).publish(1);
    }
    await expectCode("ERR_LIMIT", () => hub.topic<number>("d").publish(1));
    await hub.topic<number>("a").publish(1);
    expect(hub.stats()).toMatchObject({ topics: 3, askedTopics: 0, connections: 3 });
  });

  test("that have only been asked for have a bound of their own, and take nothing from those with messages", async () => {
    const hub = new Hub({ maxTopics: 2, maxAskedTopics: 3 });
    await hub.topic<number>("kept").publish(1);
    // Many clients ask and leave: the name that was left longest ago goes.
    for (let i = 0; i < 100; i += 1) (await open(hub, `topic=t${i}`)).connection.gone();
    expect(hub.stats()).toMatchObject({ topics: 4, askedTopics: 3, logEntries: 1 });
    // They stay and take every place: one more client is refused, and publishing is not.
    for (const name of ["a", "b", "c"]) await open(hub, `topic=${name}`);
    expect(hub.stats()).toMatchObject({ topics: 4, askedTopics: 3 });
    await expect(open(hub, "topic=d")).rejects.toThrow("ERR_LIMIT");
    await hub.topic<number>("d").publish(1);
    await open(hub, "topic=d");
    expect(hub.stats()).toMatchObject({ topics: 5, askedTopics: 3, logEntries: 2 });
    // A topic that gets its first message leaves room for another name, and takes a place among those with messages.
    await hub.topic<number>("a").publish(1);
    expect(hub.stats()).toMatchObject({ topics: 4, askedTopics: 2, logEntries: 2 });
    await open(hub, "topic=e");
    const { sink } = await open(hub, "topic=d&from=oldest");
    expect(sink.messages).toEqual([1]);
  });

  test("that have only been asked for keep a client's place while their names are remembered", async () => {
    const hub = new Hub({ maxAskedTopics: 2 });
    const { connection } = await open(hub, "topic=t");
    const { position } = connection;
    connection.gone();
    (await open(hub, "topic=u")).connection.gone();
    await hub.topic<number>("t").publish(1);
    const back = await open(hub, `topic=t&lastEventId=${encodeURIComponent(position)}`);
    expect(back.connection.states).toEqual({ t: "recovered" });
    expect(back.sink.messages).toEqual([1]);
  });
});

describe("enumerate", () => {
  const dataOf = Enumeratee.map(({ data }: TopicMessage<number>) => data);

  test("reads from the oldest message, from now on, or from a position", async () => {
    const hub = new Hub();
    const topic = hub.topic<number>("t");
    const positions = [];
    for (let i = 1; i <= 4; i += 1) positions.push(await topic.publish(i));
    const take = (n: number, from?: string): Promise<number[]> =>
      topic
        .messages(from === undefined ? {} : { from })
        .through(dataOf)
        .run(Iteratee.takeUpTo(n));
    expect(await take(4, "oldest")).toEqual([1, 2, 3, 4]);
    expect(await take(2, positions[1])).toEqual([3, 4]);
    const next = take(2);
    await flushed();
    void topic.publish(5);
    void topic.publish(6);
    expect(await next).toEqual([5, 6]);
  });

  test("reads the last messages, or those since a time, and then what follows", async () => {
    vi.useFakeTimers({ toFake: ["Date", "performance"], now: Date.UTC(2026, 10, 28, 12) });
    const hub = new Hub();
    const topic = hub.topic<number>("t");
    for (let i = 1; i <= 4; i += 1) {
      vi.advanceTimersByTime(1000);
      await topic.publish(i);
    }
    const all = (from: string): Promise<TopicMessage<number>[]> => topic.messages({ from }).run(collect());
    const runs = ["last:2", "last:9", "since:2026-11-28T12:00:03Z", "since:2026-11-28T13:00:00Z"].map(all);
    await flushed();
    await topic.publish(5);
    await hub.close({ drainMs: 0 });
    const read = (await Promise.all(runs)).map((messages) => messages.map(({ data }) => data));
    expect(read).toEqual([[3, 4, 5], [1, 2, 3, 4, 5], [3, 4, 5], [5]]);
  });

  test("counts on the first message what the log no longer has, except after a position", async () => {
    vi.useFakeTimers({ toFake: ["Date", "performance"], now: Date.UTC(2026, 10, 28, 12) });
    const hub = new Hub({ log: { maxEntries: 3 } });
    const topic = hub.topic<number>("t");
    const positions: string[] = [];
    for (let i = 1; i <= 10; i += 1) {
      vi.advanceTimersByTime(1000);
      positions.push(await topic.publish(i));
    }
    const missed = async (from: string): Promise<unknown[]> => {
      const messages = await topic.messages({ from }).run(Iteratee.takeUpTo(3));
      expect(messages.map(({ data }) => data)).toEqual([8, 9, 10]);
      return messages.map((message) => message.missed);
    };
    expect(await missed("oldest")).toEqual([7, undefined, undefined]);
    expect(await missed("last:5")).toEqual([2, undefined, undefined]);
    expect(await missed("since:2026-11-28T12:00:05Z")).toEqual([null, undefined, undefined]);
    const whole = await topic.messages({ from: "last:3" }).run(Iteratee.head());
    expect(whole).not.toHaveProperty("missed");
    expect(await missed("since:2026-11-28T12:00:08Z")).toEqual([undefined, undefined, undefined]);
    const from = positions[4] as string;
    await expectCode("ERR_OVERFLOW", () => topic.messages({ from }).run(Iteratee.head()), /has trimmed 2 messages/);
  });

  test("yields each message with its position and its fields", async () => {
    const hub = new Hub();
    const topic = hub.topic<string>("t");
    const position = await topic.publish("x", { event: "e", key: "k", messageId: "m" });
    expect(await topic.messages({ from: "oldest" }).run(Iteratee.head())).toEqual({
      position,
      event: "e",
      key: "k",
      messageId: "m",
      data: "x",
    });
  });

  test("throws when the log has passed its reader, with the number of missed messages", async () => {
    const hub = new Hub({ log: { maxEntries: 5 } });
    const topic = hub.topic<number>("t");
    const reader = topic.messages()[Symbol.asyncIterator]();
    const first = reader.next();
    void topic.publish(0);
    expect((await first).value?.data).toBe(0);
    for (let i = 1; i < 20; i += 1) void topic.publish(i);
    await expectCode("ERR_OVERFLOW", () => reader.next(), /has trimmed 14 messages/);
  });

  test.each([
    ["x", "ERR_POSITION"],
    ["other=e.1", "ERR_POSITION"],
    ["t=foreign.1", "ERR_OVERFLOW"],
    ["last:0", "ERR_OPTION"],
    ["last:16777217", "ERR_OPTION"],
    ["since:yesterday", "ERR_OPTION"],
    ["latest", "ERR_POSITION"],
    [5 as never, "ERR_OPTION"],
  ] as const)("cannot begin from %s", async (from, code) => {
    const hub = new Hub();
    await expectCode(code, () => hub.topic("t").messages({ from }).run(collect()));
  });

  test("ends when the hub is closed, and retains its topic until it returns", async () => {
    vi.useFakeTimers();
    const hub = new Hub({ log: { maxAgeMs: 1000 } });
    const all = hub.topic<number>("t").messages().through(dataOf).run(collect());
    const left = hub.topic<number>("u").messages()[Symbol.asyncIterator]();
    void left.next();
    await vi.advanceTimersByTimeAsync(5000);
    expect(hub.stats().topics).toBe(2);
    await left.return?.();
    await vi.advanceTimersByTimeAsync(5000);
    expect(hub.stats().topics).toBe(1);
    await hub.topic<number>("t").publish(1);
    await hub.close({ drainMs: 0 });
    expect(await all).toEqual([1]);
  });
});

test("counts present objects and past operations in stats()", async () => {
  const hub = new Hub();
  const full = new FakeSink();
  full.full = true;
  await open(hub, "topic=a", full);
  const { connection } = await open(hub, "topic=a&wire=sse");
  await open(hub, "topic=a&topic=b&wire=comet");
  for (const text of ["x", "yy"]) void hub.topic<string>("a").publish(text);
  await flushed();
  expect(hub.stats()).toEqual({
    connections: 3,
    byWire: { comet: 1, sse: 1, ndjson: 1, poll: 0 },
    lagging: 1,
    topics: 2,
    askedTopics: 1,
    logEntries: 2,
    logBytes: expect.any(Number) as number,
    published: 2,
    delivered: 4,
    skipped: 0,
    opened: 3,
    recycled: 0,
    rejected: 0,
    ...(compressesAll && { compression: expect.any(Object) as object }),
  });
  expect([...hub.subscriptions()].map(({ wire, topics }) => [wire, topics])).toEqual([
    ["ndjson", ["a"]],
    ["sse", ["a"]],
    ["comet", ["a", "b"]],
  ]);
  connection.gone();
  expect(hub.stats()).toMatchObject({ connections: 2, byWire: { sse: 0 }, opened: 3 });
});

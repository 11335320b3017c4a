import fc from "fast-check";
import { headers } from "@nats-io/transport-node";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { CometError } from "../../src/index.ts";
import { encodeMessage } from "../../src/hub/topics/encode-message.ts";
import { followHub, notedHub, type Follower, type NotedHub } from "../support/hub.ts";
import { until } from "../support/sources.ts";
import { ending, freshTopic, kept, Process, publication } from "./contract-world.ts";
import {
  foreignNats,
  foreignRedis,
  foreignSqlite,
  type ForeignNats,
  type ForeignRedis,
  type ForeignSqlite,
  type ForeignWriter,
} from "./foreign-writers.ts";

const deep = (levels: number): string => "[".repeat(levels) + "]".repeat(levels);

/** Fields and data that no hub stores. The fields of an object are those of a valid message. */
const badEntries: readonly (readonly [name: string, fields: string | object, data: string])[] = [
  ["fields null", "null", "1"],
  ["fields that are no JSON", "{bad}", "1"],
  ["empty fields", "", "1"],
  ["fields of a list", "[]", "1"],
  ["fields of a text", '"x"', "1"],
  ["an event that is a number", { event: 5 }, "1"],
  ["an event that is null", { event: null }, "1"],
  ["a key that is an object", { key: {} }, "1"],
  ["a messageId that is a list", { messageId: [] }, "1"],
  ["an empty event", { event: "" }, "1"],
  ["an event with a line end", { event: "a\nb" }, "1"],
  ["an event with NUL", { event: "a\0b" }, "1"],
  ["an event with a lone surrogate", { event: "\ud800" }, "1"],
  ["an event that is too long", { event: "x".repeat(201) }, "1"],
  ["an event of the protocol", { event: "comet:end" }, "1"],
  ["a key with a carriage return", { key: "a\rb" }, "1"],
  ["a messageId that is too long", { messageId: "x".repeat(201) }, "1"],
  ["no data", {}, ""],
  ["data that is no JSON", {}, "</script>"],
  ["data that is cut off", {}, '{"a":'],
  ["two data", {}, "1 2"],
  ["data with a line end in a string", {}, '"a\nb"'],
  ["a number that is too large", {}, "1e400"],
  ["data of 501 levels", {}, deep(501)],
  ["data of 50,000 levels", {}, deep(50_000)],
];

/** Data that a hub spells otherwise, with the spelling that it delivers. */
const otherSpellings: readonly (readonly [stored: string, delivered: string])[] = [
  ['{"\\u005f_proto__":{"x":1}}', '{"__proto__":{"x":1}}'],
  ['{"a":1,"a":2}', '{"a":2}'],
  [" [ 1 ,\n2 ] ", "[1,2]"],
  ["12345678901234567890", "12345678901234567000"],
  ["1.0e2", "100"],
  ['"\\u0061\\/"', '"a/"'],
  ['"<\u2028"', '"\\u003c\\u2028"'],
  [deep(500), deep(500)],
];

interface Reader extends NotedHub {
  readonly follower: Follower;
}

const codesOf = (errors: readonly unknown[]): unknown[] => errors.map((error) => (error as CometError).code);
const messagesOf = (errors: readonly unknown[]): string[] => errors.map((error) => (error as Error).message);
const gapsOf = ({ items }: Follower): number => items.filter(({ type }) => type === "gap").length;

/** Tests that use an engine only through its foreign writer. */
function foreignContent(open: () => Promise<ForeignWriter>, isDense: boolean, hasNotices = true): void {
  let writer: ForeignWriter;
  beforeAll(async () => {
    writer = await open();
  });
  afterAll(() => writer.close());

  /** Starts a hub of another process with one subscriber. */
  async function startReader(topic: string, query = ""): Promise<Reader> {
    const noted = notedHub({ broker: await writer.connect() });
    return { ...noted, follower: await followHub(noted.hub, `topic=${topic}&from=oldest${query}`) };
  }

  async function startPublisher(): Promise<NotedHub> {
    return notedHub({ broker: await writer.connect() });
  }

  const entryOf = (fields: string | object): string =>
    typeof fields === "string" ? fields : writer.fields(fields as Record<string, unknown>);

  test.each(badEntries)("skips an entry with %s as a gap, and reports it once", async (_, fields, data) => {
    const topic = freshTopic("bad");
    const publisher = await startPublisher();
    const reader = await startReader(topic);
    await publisher.hub.topic(topic).publish("before");
    await reader.follower.has(1);
    await writer.store(topic, entryOf(fields), data);
    await publisher.hub.topic(topic).publish("after");
    await reader.follower.has(2);
    expect(reader.follower.data).toEqual(["before", "after"]);
    expect(gapsOf(reader.follower)).toBe(1);
    // A new subscriber, and one of another process, are served.
    const second = await followHub(reader.hub, `topic=${topic}&from=oldest`);
    const other = await startReader(topic);
    for (const follower of [second, other.follower]) {
      expect(follower.response.status).toBe(200);
      await follower.has(2);
      expect(follower.data).toEqual(["before", "after"]);
      expect(gapsOf(follower)).toBe(1);
    }
    for (const { errors } of [reader, other]) {
      expect(codesOf(errors)).toEqual(["ERR_MESSAGE"]);
      expect(messagesOf(errors)[0]).toContain(`the topic "${topic}" in the broker is skipped`);
    }
    expect(publisher.errors).toEqual([]);
  });

  test.each(otherSpellings)("delivers %s as hubs write it", async (stored, delivered) => {
    const topic = freshTopic("spelling");
    const publisher = await startPublisher();
    await publisher.hub.topic(topic).publish("before");
    const followers = [(await startReader(topic)).follower, (await startReader(topic, "&wire=comet")).follower];
    for (const follower of followers) await follower.has(1);
    await writer.store(topic, writer.fields({}), stored);
    for (const follower of followers) {
      await follower.has(2);
      expect(gapsOf(follower)).toBe(0);
    }
    expect(followers[0]?.text).toContain(`"data":${delivered}}\n`);
    // In a script, a key of this name would set the prototype.
    expect(followers[1]?.text).not.toMatch(/[^[]"(?:_|\\u005f)_proto__"/);
  });

  test("ignores notices that are not of a hub, keeps the connection, and delivers what follows", async () => {
    const topic = freshTopic("notices");
    const publisher = await startPublisher();
    const reader = await startReader(topic);
    await publisher.hub.topic(topic).publish("before");
    await reader.follower.has(1);
    const epoch = reader.follower.open.position.split("=")[1]?.split(".")[0] ?? "";
    const bad = ["", "null", "{bad", "\n", `${epoch} 2 null {}\n1`, `${epoch} 2 1 null\n1`, `${epoch} 2 1 {bad\n1`];
    const far = [
      `${epoch} 900 1 {}\n"far"`,
      `${epoch} 9007199254740993 1 {}\n1`,
      `a\nb 2 1 {}\n1`,
      `${epoch} 0 1 {}\n1`,
    ];
    for (const text of [...bad, ...far]) await writer.notify(topic, text);
    await publisher.hub.topic(topic).publish("after");
    await publisher.hub.topic(topic).publish("last");
    await reader.follower.has(3);
    expect(reader.follower.data).toEqual(["before", "after", "last"]);
    expect(gapsOf(reader.follower)).toBe(0);
    expect(reader.hub.stats().broker?.isConnected).toBe(true);
    // A broker without notices of its own has nothing to report.
    expect(new Set(codesOf(reader.errors))).toEqual(new Set(hasNotices ? ["ERR_MESSAGE"] : []));
    expect(reader.errors.length).toBeLessThanOrEqual(2);
  });

  test("ignores signals that are not of a hub", async () => {
    const topic = freshTopic("signals");
    const [one, other] = [await startPublisher(), await startPublisher()];
    await followHub(other.hub, `topic=${topic}`, {}, { identity: "ann" });
    const head = { from: "x", beatMs: 1000, haves: 1 };
    const garbage = [
      ...["", "null", "comet presence 1 ", "comet presence 1 have", "comet presence 1 have null", "\0"],
      `comet presence 1 have ${JSON.stringify({ ...head, parts: [[topic, 1, 0, "a\nb", 1]] })}`,
      `comet presence 1 have ${JSON.stringify({ ...head, parts: [[topic, 1, 0, "\ud800", 1]] })}`,
      `comet presence 1 have ${JSON.stringify({ ...head, parts: [[topic, 1, 1e99]] })}`,
      `comet presence 1 want ${JSON.stringify({ ...head, topics: ["a\nb", null], afresh: true })}`,
      `comet presence 1 want ${deep(50_000)}`,
    ];
    const presence = async (): Promise<unknown> => [...(await one.hub.topic(topic).presence()).identities.keys()];
    const first = presence();
    for (const text of garbage) await writer.signal(text);
    await first;
    await expect.poll(presence, { timeout: 30_000 }).toEqual(["ann"]);
    expect((await one.hub.topic(topic).presence()).subscribers).toBe(1);
    expect([...one.errors, ...other.errors]).toEqual([]);
  });

  test("delivers every valid message around mutated ones, and reports each of the others once", async () => {
    const [publisher, reader] = [await startPublisher(), await startPublisher()];
    await fc.assert(
      fc.asyncProperty(fc.array(anyStep, { minLength: 1, maxLength: 12 }), async (steps) => {
        const topic = freshTopic("fuzz");
        const follower = await followHub(reader.hub, `topic=${topic}&from=oldest`);
        const expected: unknown[] = [];
        let bad = 0;
        await publisher.hub.topic(topic).publish("first");
        expected.push("first");
        for (const step of steps) {
          if (step.type === "notice") await writer.notify(topic, step.text);
          else if (step.type === "publish") {
            await publisher.hub.topic(topic).publish(step.data);
            expected.push(step.data);
          } else {
            const fields = mutate(writer.fields(step.fields), step.fieldEdits);
            const data = mutate(JSON.stringify(step.data), step.dataEdits);
            if (isAged(fields)) continue;
            await writer.store(topic, fields, data);
            const decoded = publishable(writer, fields, data);
            if (decoded === undefined) bad += 1;
            else expected.push(decoded.data);
          }
        }
        await publisher.hub.topic(topic).publish("last");
        expected.push("last");
        await until(() => follower.data.at(-1) === "last");
        expect(follower.data).toEqual(expected);
        const own = messagesOf(reader.errors).filter((message) => message.includes(topic));
        const skipped = own.flatMap((message) => /^Message (\d+) of the topic/.exec(message)?.[1] ?? []);
        expect(skipped).toHaveLength(bad);
        expect(new Set(skipped).size).toBe(bad);
        expect(codesOf(reader.errors).every((code) => code === "ERR_MESSAGE")).toBe(true);
        const missed = follower.items.map((item) => (item.type === "gap" ? item.missed : 0));
        if (isDense) expect(missed.reduce<number>((sum, each) => sum + (each ?? NaN), 0)).toBe(bad);
        else expect(gapsOf(follower) > 0).toBe(bad > 0);
      }),
      { numRuns: 150, endOnFailure: true },
    );
  });
}

/** A change of a text: some characters at a place are replaced. */
interface Edit {
  readonly at: number;
  readonly removed: number;
  readonly added: string;
}

function mutate(text: string, edits: readonly Edit[]): string {
  return edits.reduce((before, { at, removed, added }) => {
    const place = at % (before.length + 1);
    return before.slice(0, place) + added + before.slice(place + removed);
  }, text);
}

/** Whether fields have a time that is long ago. Such a message is trimmed sooner or later. */
function isAged(fields: string): boolean {
  const at = /"at":(\d+)/.exec(fields)?.[1];
  return at !== undefined && Number(at) > 0 && Number(at) < Date.now() - 60_000;
}

/** Whether a hub could have published a message, by the checks of `publish`. */
function publishable(writer: ForeignWriter, fields: string, data: string): { readonly data: unknown } | undefined {
  try {
    const decoded: unknown = JSON.parse(fields);
    if (typeof decoded !== "object" || decoded === null || Array.isArray(decoded)) return undefined;
    const { event, key, messageId, id } = decoded as Record<string, string | undefined>;
    if (!writer.isComplete(decoded as Record<string, unknown>)) return undefined;
    const value: unknown = JSON.parse(data);
    encodeMessage(value, { event, key, messageId: messageId ?? id } as object, Infinity);
    return { data: value };
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof CometError) return undefined;
    throw error;
  }
}

const anyData = fc.oneof(fc.jsonValue({ maxDepth: 3 }), fc.string({ maxLength: 20 }));
const anyField = fc.option(fc.string({ minLength: 1, maxLength: 10, unit: "grapheme" }), { nil: undefined });
const anyEdits = fc.oneof(
  { weight: 1, arbitrary: fc.constant([]) },
  {
    weight: 1,
    arbitrary: fc.array(
      fc.record({
        at: fc.nat(200),
        removed: fc.nat(4),
        added: fc.oneof(
          fc.constantFrom("null", '"', "\\", "{", "}", "[", ",", ":", "comet:", "1e999", "-", "\\n", "\\ud800", " "),
          fc.string({ maxLength: 3 }),
        ),
      }),
      { minLength: 1, maxLength: 3 },
    ),
  },
);
/** Headers of NATS and fields of Redis cannot contain line ends. */
const fieldEdits = anyEdits.map((edits) =>
  edits.map((edit) => ({ ...edit, added: edit.added.replace(/[^\u0020-\u007e]/g, "~") })),
);
const anyStep = fc.oneof(
  fc.record({ type: fc.constant("publish" as const), data: anyData }),
  fc.record({
    type: fc.constant("store" as const),
    fields: fc.record({ event: anyField, key: anyField }).map((fields) => asciiOnly(fields)),
    data: anyData,
    fieldEdits,
    dataEdits: anyEdits,
  }),
  fc.record({
    type: fc.constant("notice" as const),
    text: fc.oneof(fc.string({ maxLength: 20 }), fc.constantFrom("null", "x 2 1 {}\n1", "x 1 1 null\n1")),
  }),
);

function asciiOnly(fields: Readonly<Record<string, string | undefined>>): Record<string, string | undefined> {
  return Object.fromEntries(
    Object.entries(fields).map(([name, value]) => [name, value?.replace(/[^\u0020-\u007e]/g, "x")]),
  );
}

describe("content of another program in Redis", () => {
  foreignContent(foreignRedis, true);

  let redis: ForeignRedis;
  beforeAll(async () => {
    redis = await foreignRedis();
  });
  afterAll(() => redis.close());

  interface World {
    readonly topic: string;
    readonly log: string;
    readonly meta: string;
    readonly publisher: NotedHub;
    readonly reader: Reader;
  }

  /** A topic with two messages, and a subscriber that has them. */
  async function startWorld(): Promise<World> {
    const topic = freshTopic("redis");
    const publisher = notedHub({ broker: await redis.connect() });
    const noted = notedHub({ broker: await redis.connect() });
    const follower = await followHub(noted.hub, `topic=${topic}&from=oldest`);
    for (const data of [1, 2]) await publisher.hub.topic(topic).publish(data);
    await follower.has(2);
    const base = `comet:{${topic}}:`;
    return { topic, log: `${base}log`, meta: `${base}meta`, publisher, reader: { ...noted, follower } };
  }

  /** Expects the topic to work for its subscriber and for those of another process. */
  async function expectAlive({ topic, publisher, reader }: World, all: readonly number[]): Promise<void> {
    await publisher.hub.topic(topic).publish(3);
    await publisher.hub.topic(topic).publish(4);
    await until(() => reader.follower.data.at(-1) === 4);
    expect(reader.follower.data).toEqual([1, 2, 3, 4]);
    const late = notedHub({ broker: await redis.connect() });
    const follower = await (await followHub(late.hub, `topic=${topic}&from=oldest`)).has(all.length);
    expect(follower.data).toEqual(all);
    for (const error of [...publisher.errors, ...reader.errors, ...late.errors]) {
      expect(error).toMatchObject({ code: "ERR_MESSAGE" });
    }
  }

  test.each([
    ["head", "abc"],
    ["head", "-1"],
    ["head", "1e3"],
    ["head", "99999999999999"],
    ["total", "nan"],
    ["total", "inf"],
    ["at", "9999999999999"],
    ["at", ""],
    ["epoch", "a\nevent: evil"],
    ["epoch", ""],
    ["epoch", "x".repeat(33)],
  ])("begins another epoch of a topic whose recorded %s is %j, and reports it once", async (field, value) => {
    const world = await startWorld();
    await redis.command("HSET", world.meta, field, value);
    await expectAlive(world, [3, 4]);
    expect(gapsOf(world.reader.follower)).toBe(1);
    expect(messagesOf(world.publisher.errors)).toEqual([
      expect.stringContaining(`the topic "${world.topic}" in Redis: its recorded values are invalid`),
    ]);
  });

  test.each([
    ["since", "abc"],
    ["since", "99999999999999"],
    ["before", "-5"],
    ["before", "99999999999999"],
  ])("does not believe a recorded %s of %j", async (field, value) => {
    const world = await startWorld();
    await redis.command("HSET", world.meta, field, value);
    await expectAlive(world, [1, 2, 3, 4]);
    expect(gapsOf(world.reader.follower)).toBe(0);
  });

  test.each([
    ["with an id of its own", ["*", "foo", "bar"]],
    ["with the next offset", ["3-0", "foo", "bar"]],
    ["between two offsets", ["2-7", "at", "1", "before", "0", "about", "{}", "data", "7"]],
    ["with the greatest id", ["18446744073709551615-18446744073709551615", "foo", "bar"]],
    ["with many fields", ["*", ...Array.from({ length: 20_000 }, (_, i) => String(i))]],
  ])("keeps a topic to which another program adds an entry %s", async (_, args) => {
    for (const isRead of [false, true]) {
      const world = await startWorld();
      await redis.command("XADD", world.log, ...args);
      const late = notedHub({ broker: await redis.connect() });
      if (isRead)
        expect((await (await followHub(late.hub, `topic=${world.topic}&from=oldest`)).has(2)).data).toEqual([1, 2]);
      await expectAlive(world, [1, 2, 3, 4]);
      expect(gapsOf(world.reader.follower)).toBe(0);
    }
  });

  test("keeps a topic to which another program adds an entry and removes it", async () => {
    const world = await startWorld();
    await redis.command("XADD", world.log, "77-0", "foo", "bar");
    await redis.command("XDEL", world.log, "77-0");
    await expectAlive(world, [1, 2, 3, 4]);
  });

  test("reports messages that another program has removed, and shows them as a gap", async () => {
    const world = await startWorld();
    for (const data of [3, 4, 5]) await world.publisher.hub.topic(world.topic).publish(data);
    await redis.command("XDEL", world.log, "3-0", "4-0");
    const late = notedHub({ broker: await redis.connect() });
    const follower = await (await followHub(late.hub, `topic=${world.topic}&from=oldest`)).has(3);
    expect(follower.data).toEqual([1, 2, 5]);
    expect(messagesOf(late.errors)).toEqual([expect.stringContaining("Messages 3 to 4 of the topic")]);
    const position = await world.publisher.hub.topic(world.topic).publish(6);
    await follower.has(4);
    expect(follower.items.at(-1)).toMatchObject({ id: position, data: 6 });
  });

  /** A process that has published to a topic that ends, with the lease `mine`. */
  async function startProducer(): Promise<{
    readonly topic: string;
    readonly meta: string;
    readonly process: Process;
  }> {
    const topic = freshTopic("leased");
    const process = new Process(await redis.connect());
    await process.acquire(topic, "mine");
    await process.publish(topic, { ...publication("1", { messageId: "m" }), fence: "mine" }, kept);
    return { topic, meta: `comet:{${topic}}:meta`, process };
  }

  test.each(["abc", "", "-1", "1e3", "60000000000000", "99999999999999"])(
    "takes a recorded lease of %j for none",
    async (lease) => {
      const { topic, meta, process } = await startProducer();
      await redis.command("HSET", meta, "lease", lease);
      await expect(process.renewLease(topic, "mine")).rejects.toMatchObject({ code: "ERR_PRODUCER_LOST" });
      expect(await process.settle(topic)).toBeUndefined();
      expect(await process.acquire(topic, "other")).toBe("acquired");
      await process.publish(topic, { ...publication("2"), fence: "other" }, kept);
      expect((await process.read(topic, 0, kept)).messages.map(({ json }) => json)).toEqual(["1", "2"]);
      expect(process.ignored).toEqual([]);
      await process.close();
    },
  );

  test.each(["abc", "", "-1", "60000000000000", "99999999999999"])(
    "takes a recorded end of %j for none",
    async (ended) => {
      const { topic, meta, process } = await startProducer();
      await redis.command("HSET", meta, "ended", ended);
      expect(await process.acquire(topic, "other")).toBe("held");
      await process.publish(topic, "2", kept);
      await process.publish(topic, ending("complete"), kept);
      expect((await process.read(topic, 0, kept)).messages.map(({ json }) => json)).toEqual(["1", "2", ""]);
      await process.close();
    },
  );

  test.each([
    ["ttl", "abc"],
    ["ttl", "0"],
    ["ttl", ""],
    ["life", ""],
    ["life", "a\nb"],
    ["life", "x".repeat(33)],
  ])("takes a topic whose recorded %s is %j for one that does not end, and keeps it", async (field, value) => {
    const { topic, meta, process } = await startProducer();
    await redis.command("HSET", meta, field, value);
    expect((await process.read(topic)).finite).toBeUndefined();
    const once = publication("2", { messageId: "n" });
    const second = await process.publish(topic, once, kept);
    expect(await process.publish(topic, once, kept)).toEqual(second);
    const { messages, finite } = await process.read(topic, 0, kept);
    expect(messages.map(({ json }) => json)).toEqual(["1", "2"]);
    expect(finite).toMatchObject({ ttlMs: 60_000, isExpired: false });
    await process.close();
  });

  test.each(["5", "null", "{}", "[]", "true"])("reports an entry whose ended is %s as a fault", async (ended) => {
    const { topic, process } = await startProducer();
    const ear = await process.listen(topic);
    await redis.store(topic, `{"ended":${ended}}`, "");
    await process.publish(topic, "3", kept);
    await until(() => ear.notices.length === 2);
    const { messages } = await process.read(topic, 0, kept);
    const faults = messages.map(({ fault }) => fault !== undefined);
    expect(faults).toEqual([false, true, false]);
    expect(ear.notices.map(({ message }) => message)).toEqual(messages.slice(1));
    await process.close();
  });

  test("keeps the end and its time to live where another program adds entries", async () => {
    const { topic, process } = await startProducer();
    await process.publish(topic, ending("complete"), kept);
    const log = `comet:{${topic}}:log`;
    await redis.command("XADD", log, "*", "foo", "bar");
    expect((await process.read(topic, 0, kept)).messages.map(({ json }) => json)).toEqual(["1", ""]);
    expect(process.ignored).toHaveLength(1);
    const left = Number(await redis.command("PTTL", log));
    expect(left).toBeGreaterThan(0);
    expect(left).toBeLessThanOrEqual(75_000);
    await process.close();
  });

  test("publishes again after another program has overwritten the position of a messageId", async () => {
    const world = await startWorld();
    await redis.command("SET", `comet:{${world.topic}}:id:m`, "a\nb");
    const position = await world.publisher.hub.topic(world.topic).publish(3, { messageId: "m" });
    expect(position).toMatch(/\.3$/);
    expect(await world.publisher.hub.topic(world.topic).publish(3, { messageId: "m" })).toBe(position);
  });
});

describe("content of another program in NATS", () => {
  foreignContent(foreignNats, false);

  let nats: ForeignNats;
  beforeAll(async () => {
    nats = await foreignNats();
  });
  afterAll(() => nats.close());

  test.each([
    ["a status of 404", 404, {}],
    ["a status of 503", 503, {}],
    ["a status of 408", 408, {}],
    ["another sequence", undefined, { "Nats-Sequence": "900", "Nats-Last-Sequence": "1" }],
    ["a sequence that is no number", undefined, { "Nats-Sequence": "x", "Nats-Last-Sequence": "y" }],
  ] as const)("reads a topic with a message that has %s", async (_, code, fields) => {
    const topic = freshTopic("headers");
    const publisher = notedHub({ broker: await nats.connect() });
    const reader = notedHub({ broker: await nats.connect() });
    await publisher.hub.topic(topic).publish(1);
    const follower = await (await followHub(reader.hub, `topic=${topic}&from=oldest`)).has(1);
    // More messages than are read one by one.
    for (let i = 0; i < 40; i += 1) {
      const encoded = code === undefined ? headers() : headers(code, "hidden");
      for (const [name, value] of Object.entries(fields)) encoded.set(name, value);
      encoded.set("Comet-Message", nats.fields({}));
      await nats.storeWith(topic, encoded, i === 20 ? "" : String(i + 2));
    }
    await publisher.hub.topic(topic).publish("last");
    const expected = Array.from({ length: 41 }, (__, i) => i + 1).filter((i) => i !== 22);
    await follower.has(41);
    expect(follower.data).toEqual([...expected, "last"]);
    const late = notedHub({ broker: await nats.connect() });
    const other = await (await followHub(late.hub, `topic=${topic}&from=oldest`)).has(41);
    expect(other.data).toEqual([...expected, "last"]);
    expect(codesOf(reader.errors)).toEqual(["ERR_MESSAGE"]);
    expect(codesOf(late.errors)).toEqual(["ERR_MESSAGE"]);
  });

  test.each(["0", "-1", "1e300", "9007199254740991", "null", '"1"', "NaN"])(
    "skips a message with the time %s, and keeps the others",
    async (at) => {
      const topic = freshTopic("time");
      const publisher = notedHub({ broker: await nats.connect() });
      await publisher.hub.topic(topic).publish(1);
      await nats.store(topic, `{"at":${at}}`, "2");
      await publisher.hub.topic(topic).publish(3);
      const reader = notedHub({ broker: await nats.connect() });
      const follower = await (await followHub(reader.hub, `topic=${topic}&from=oldest`)).has(2);
      expect(follower.data).toEqual([1, 3]);
      expect(codesOf(reader.errors)).toEqual(["ERR_MESSAGE"]);
    },
  );

  test.each([
    "comet-sockets: epoch 3 after message 9999999999999999, 4096 entries a topic",
    "comet-sockets: epoch 999999999 after message 0, 4096 entries a topic",
    "anything",
  ])("begins another epoch after the stream's description was changed to %j", async (description) => {
    const topic = freshTopic("description");
    const publisher = notedHub({ broker: await nats.connect() });
    const follower = await (await followHub(publisher.hub, `topic=${topic}&from=oldest`)).begun();
    await publisher.hub.topic(topic).publish(1);
    await follower.has(1);
    const { config } = (await nats.connection.request("$JS.API.STREAM.INFO.comet")).json<{ config: object }>();
    await nats.connection.request("$JS.API.STREAM.UPDATE.comet", JSON.stringify({ ...config, description }));
    const late = notedHub({ broker: await nats.connect() });
    await until(() => follower.items.some(({ type }) => type === "gap"));
    for (const data of [2, 3]) await publisher.hub.topic(topic).publish(data);
    await until(() => follower.data.at(-1) === 3);
    const other = await (await followHub(late.hub, `topic=${topic}&from=oldest`)).has(1);
    await until(() => other.data.at(-1) === 3);
  });
});

describe("content of another program in a SQLite file", () => {
  foreignContent(foreignSqlite, true, false);

  let sqlite: ForeignSqlite;
  beforeAll(async () => {
    sqlite = await foreignSqlite();
  });
  afterAll(() => sqlite.close());

  /** A process with a topic that has two messages. */
  async function startWorld(): Promise<{ topic: string; process: Process; epoch: string }> {
    const topic = freshTopic("sqlite");
    const process = new Process(await sqlite.connect());
    await process.publish(topic, "1");
    const { epoch } = await process.publish(topic, "2");
    return { topic, process, epoch };
  }

  test.each([
    ["an epoch with a space", "epoch = 'a b'"],
    ["an empty epoch", "epoch = ''"],
    ["a floor above the head", "floor = 9"],
    ["more bytes gone than there were", "gone = 1000"],
  ])("begins another epoch of a topic with %s, and reports it", async (_, change) => {
    const { topic, process, epoch } = await startWorld();
    sqlite.execute(`UPDATE topic SET ${change} WHERE name = '${topic}'`);
    expect(await process.read(topic)).toMatchObject({ floor: 0, head: 0, messages: [] });
    const position = await process.publish(topic, "3");
    expect(position.offset).toBe(1);
    expect(position.epoch).not.toBe(epoch);
    await until(() => process.ignored.length === 1);
    expect(process.ignored[0]).toContain(`the topic "${topic}" has begun another epoch`);
  });

  test.each([
    ["a head that is a text", "UPDATE topic SET head = 'x'"],
    ["a head beyond the numbers of JavaScript", "UPDATE topic SET head = 9223372036854775807"],
    ["a negative time", "UPDATE message SET at = -1"],
    ["bytes for a text", "UPDATE message SET json = x'00ff'"],
  ])("cannot be %s", async (_, sql) => {
    await startWorld();
    expect(() => sqlite.execute(sql)).toThrow(/constraint|store/);
  });

  test("gives way where it is in the place of the next message, or of the next number", async () => {
    const { topic, process } = await startWorld();
    sqlite.execute(
      "INSERT INTO message (seq, topic, number, at, before, json) " +
        `SELECT state.seq + 1, topic.id, topic.head + 1, 1, 0, '"foreign"' FROM state, topic WHERE name = '${topic}'`,
    );
    expect((await process.readAll(topic)).messages.map(({ json }) => json)).toEqual(["1", "2"]);
    const ear = await process.listen(topic);
    await process.publish(topic, "3");
    expect((await process.readAll(topic)).messages.map(({ json }) => json)).toEqual(["1", "2", "3"]);
    await until(() => ear.notices.length > 0);
    expect(ear.jsons).toEqual(["3"]);
  });

  test("is detected where rows are removed", async () => {
    const { topic, process } = await startWorld();
    await process.publish(topic, "3");
    sqlite.execute(`DELETE FROM message WHERE number = 2 AND topic = (SELECT id FROM topic WHERE name = '${topic}')`);
    const { messages, head } = await process.readAll(topic);
    expect(messages.map(({ offset }) => offset)).toEqual([1, 3]);
    expect(head).toBe(3);
    expect((await process.publish(topic, "4")).offset).toBe(4);
  });
});

import { headers, connect, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, afterEach, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { natsBroker, type NatsBrokerOptions } from "../../src/brokers/nats/index.ts";
import type { CometError } from "../../src/index.ts";
import type { Broker, FiniteTopics, LeaseAnswer, Notice } from "../../src/log/broker.ts";
import { followHub, notedHub } from "../support/hub.ts";
import { startNats, type NatsServer } from "../support/nats.ts";
import { expectCode, until } from "../support/sources.ts";
import { tcpProxy, type TcpProxy } from "../support/tcp-proxy.ts";
import { ending, freshTopic, kept, publication, wide } from "./contract-world.ts";

const SOON_MS = 20_000;

type FiniteBroker = Broker & { readonly finite: FiniteTopics };

describe("topics that end on NATS", () => {
  let server: NatsServer;
  let admin: NatsConnection;
  const closers: (() => Promise<unknown>)[] = [];
  let streams = 0;

  beforeAll(async () => {
    server = await startNats();
    admin = await connect({ servers: `127.0.0.1:${server.port}` });
  });
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });
  afterAll(async () => {
    await admin.close();
    await server.close();
  });

  const nextStream = (): string => `f${(streams += 1)}`;

  async function join(stream: string, options: NatsBrokerOptions = {}, port = server.port): Promise<FiniteBroker> {
    const connection = { servers: `127.0.0.1:${port}` };
    const broker = await natsBroker({ connection, stream, heartbeatMs: 200, ...options });
    closers.push(() => broker.close());
    broker.attach({ lost: ignore, restored: ignore, signalled: ignore, ignored: ignore });
    return broker as FiniteBroker;
  }

  function acquire(broker: FiniteBroker, topic: string, fence: string, leaseMs = 60_000): Promise<LeaseAnswer> {
    return broker.finite.acquire(topic, { fence, leaseMs, restart: false }, kept);
  }

  async function proxied(): Promise<TcpProxy> {
    const proxy = await tcpProxy(server.port);
    closers.push(() => proxy.close());
    return proxy;
  }

  async function eventually(ask: () => Promise<boolean>): Promise<void> {
    const end = Date.now() + SOON_MS;
    while (!(await ask())) {
      if (Date.now() > end) expect.fail(`not within ${SOON_MS} ms: ${ask.toString()}`);
      await new Promise((resolve) => setTimeout(resolve, 20));
    }
  }

  async function jsonsIn(broker: Broker, topic: string): Promise<string[]> {
    const { messages } = await broker.read(topic, 0, kept, Infinity);
    return messages.map(({ json, fault }) => fault ?? json);
  }

  /** The numbers of stored entries, by subject. */
  async function counts(stream: string): Promise<Record<string, number>> {
    const answer = await admin.request(`$JS.API.STREAM.INFO.${stream}`, JSON.stringify({ subjects_filter: ">" }));
    return answer.json<{ state: { subjects?: Record<string, number> } }>().state.subjects ?? {};
  }

  /** Stores an entry as another program. */
  async function store(subject: string, fields: string, data: string): Promise<number> {
    const encoded = headers();
    encoded.set("Comet-Message", fields);
    return (await admin.request(subject, data, { headers: encoded, timeout: SOON_MS })).json<{ seq: number }>().seq;
  }

  test("rejects an endless publish after the end in a process that has never read the topic", async () => {
    const stream = nextStream();
    const [one, stranger, reader] = [await join(stream), await join(stream), await join(stream)];
    await one.publish("t", publication("1"), kept);
    const end = await one.publish("t", ending("complete"), kept);
    await expectCode("ERR_ENDED", () => stranger.publish("t", publication("2", { messageId: "id" }), wide));
    await expectCode("ERR_ENDED", () => stranger.publish("t", publication("2", { messageId: "id" }), wide));
    expect(await jsonsIn(reader, "t")).toEqual(["1", ""]);
    expect((await reader.read("t", 0, kept, Infinity)).head).toBe(end.offset);
  });

  test("publishes to an endless topic as before, with one look for many messages", async () => {
    const stream = nextStream();
    const broker = await join(stream);
    const [looks, stored]: [string[], (readonly string[])[]] = [[], []];
    admin.subscribe(`$JS.API.DIRECT.GET.${stream}`, { callback: (_, message) => void looks.push(message.string()) });
    admin.subscribe(`${stream}.t`, { callback: (_, message) => void stored.push(message.headers?.keys() ?? []) });
    await admin.flush();
    for (let i = 0; i < 20; i += 1) await broker.publish("t", publication("1"), wide);
    await until(() => stored.length === 20, SOON_MS);
    expect(stored.every((keys) => keys.join() === "Comet-Message")).toBe(true);
    expect(looks).toEqual([JSON.stringify({ last_by_subj: `${stream}.t.lease` })]);
  });

  test("keeps maxEntries messages and the end, although the stream has the marks of leases as well", async () => {
    const stream = nextStream();
    const log = { maxEntries: 3 };
    const [one, other] = [await join(stream, { log }), await join(stream, { log })];
    const three = { ...kept, maxEntries: 3 };
    await acquire(one, "t", "fence");
    for (const json of ["1", "2", "3", "4", "5"])
      await one.publish("t", { ...publication(json), fence: "fence" }, three);
    await one.publish("t", { ...ending("complete"), fence: "fence" }, three);
    const { messages, finite } = await other.read("t", 0, three, Infinity);
    expect(messages.map(({ json }) => json)).toEqual(["3", "4", "5", ""]);
    expect(finite).toMatchObject({ ttlMs: 60_000, isExpired: false });
    await expectCode("ERR_ENDED", () => other.publish("t", publication("6"), three));
  });

  test("keeps the lease of a topic whose entries have all aged out, as long as it is renewed", async () => {
    const stream = nextStream();
    const log = { maxAgeMs: 1000 };
    const [one, other] = [await join(stream, { log }), await join(stream, { log })];
    const first = await (await acquire(one, "t", "fence"), one.publish("t", publication("1"), kept));
    await eventually(async () => {
      await one.finite.renewLease("t", "fence", 60_000);
      return (await counts(stream))[`${stream}.t`] === undefined;
    });
    const empty = await other.read("t", 0, kept, Infinity);
    expect(empty).toMatchObject({ messages: [], finite: { ttlMs: 60_000, isExpired: false } });
    expect(empty.floor).toBeGreaterThanOrEqual(first.offset);
    expect(await acquire(other, "t", "another")).toBe("held");
    await expectCode("ERR_PRODUCER_LOST", () => other.publish("t", { ...publication("2"), fence: "another" }, kept));
    await one.publish("t", { ...publication("2"), fence: "fence" }, kept);
    expect(await jsonsIn(other, "t")).toEqual(["2"]);
  });

  test("stores one record of the renewals of a lease, and none after the topic is deleted", async () => {
    const stream = nextStream();
    const broker = await join(stream);
    await acquire(broker, "t", "fence");
    for (let i = 0; i < 5; i += 1) await broker.finite.renewLease("t", "fence", 60_000);
    await eventually(async () => (await counts(stream))[`${stream}.t.lease`] === 1);
    await broker.finite.delete("t");
    // The mark of the deletion.
    expect(await counts(stream)).toEqual({ [`${stream}.t`]: 1 });
  });

  test("restarts a topic for one of many processes", async () => {
    const stream = nextStream();
    const all = await Promise.all(Array.from({ length: 4 }, () => join(stream)));
    for (let round = 0; round < 5; round += 1) {
      const topic = freshTopic("restarted");
      await all[0]?.publish(topic, publication('"old"'), kept);
      await all[0]?.publish(topic, ending("complete"), kept);
      const answers = await Promise.all(
        all.map((broker, i) => broker.finite.acquire(topic, { fence: `${i}`, leaseMs: 60_000, restart: true }, kept)),
      );
      expect(answers.toSorted()).toEqual(["acquired", "held", "held", "held"]);
      const winner = answers.indexOf("acquired");
      await all[winner]?.publish(topic, { ...publication('"new"'), fence: `${winner}` }, kept);
      for (const broker of all) expect(await jsonsIn(broker, topic)).toEqual(['"new"']);
    }
  });

  test("notifies a listener of messages alone, each with the offset of the one before", async () => {
    const stream = nextStream();
    const [one, other] = [await join(stream), await join(stream)];
    const heard: Notice[] = [];
    await other.listen("t", (notice) => heard.push(notice));
    await one.publish("t", publication("1"), kept);
    await acquire(one, "t", "fence");
    await one.publish("t", { ...publication("2"), fence: "fence" }, kept);
    await one.publish("t", { ...ending("complete"), fence: "fence" }, kept);
    await until(() => heard.length === 3, SOON_MS);
    const { messages, head } = await other.read("t", 0, kept, Infinity);
    expect(heard.map(({ message }) => message)).toEqual(messages);
    expect(heard.map(({ previous }) => previous)).toEqual([0, ...messages.slice(0, 2).map(({ offset }) => offset)]);
    expect(head).toBe(messages[2]?.offset);
  });

  test("keeps the order of what a producer sends, and publishes nothing twice, when acknowledgements are lost", async () => {
    const proxy = await proxied();
    const stream = nextStream();
    const [broker, other] = [await join(stream, {}, proxy.port), await join(stream)];
    await acquire(broker, "t", "fence");
    const codes = new Set<string>();
    for (let i = 0; i < 150; i += 1) {
      const message = { ...publication(String(i), { messageId: `id ${i}` }), fence: "fence" };
      for (let attempt = 1; ; attempt += 1) {
        try {
          const sent = broker.publish("t", message, kept);
          if (i % 30 === 10 && attempt === 1) proxy.cut();
          await sent;
          break;
        } catch (error) {
          codes.add((error as CometError).code);
          await new Promise((resolve) => setTimeout(resolve, 20));
        }
      }
    }
    expect(codes.has("ERR_UNACKNOWLEDGED")).toBe(true);
    for (const code of codes) expect(["ERR_UNACKNOWLEDGED", "ERR_BROKER"]).toContain(code);
    expect(await jsonsIn(other, "t")).toEqual(Array.from({ length: 150 }, (_, i) => String(i)));
  });

  test("rejects what waits for its turn within timeoutMs, while the network is silent", async () => {
    const proxy = await proxied();
    const broker = await join(nextStream(), { timeoutMs: 500, heartbeatMs: 60_000 }, proxy.port);
    await broker.publish("t", publication("0"), kept);
    proxy.stall();
    const all = Array.from({ length: 20 }, (_, i) => broker.publish("t", publication(String(i)), kept));
    const codes = await Promise.all(
      all.map((sent) => sent.then(String, (error: unknown) => (error as CometError).code)),
    );
    expect(codes[0]).toBe("ERR_UNACKNOWLEDGED");
    // Of the others at most one was sent, after the first had timed out.
    expect(codes.filter((code) => code !== "ERR_BROKER").length).toBeLessThanOrEqual(2);
    proxy.resume();
    await eventually(async () =>
      broker.publish("t", publication("last"), kept).then(
        () => true,
        () => false,
      ),
    );
  });

  test("rejects what waits beyond maxPendingBytes", async () => {
    const broker = await join(nextStream(), { maxPendingBytes: 4096 });
    const large = publication(JSON.stringify("x".repeat(1500)));
    const all = Array.from({ length: 10 }, () => broker.publish("t", large, kept));
    const codes = await Promise.all(
      all.map((sent) =>
        sent.then(
          () => "held",
          (error: unknown) => (error as CometError).code,
        ),
      ),
    );
    expect(codes.slice(0, 2)).toEqual(["held", "held"]);
    expect(new Set(codes.slice(3))).toEqual(new Set(["ERR_BROKER"]));
  });

  describe("content of another program", () => {
    const life = { ttl: 60_000, base: 0 };
    const fieldsOf = (fields: object): string => JSON.stringify({ at: Date.now(), ...fields });

    test.each([
      ["an end that is a number", { ended: 5, life }],
      ["an end that is an object", { ended: {}, life }],
      ["a life that is a text", { life: "x" }],
      ["a life that is null", { life: null }],
      ["a life without ttl", { life: { base: 0 } }],
      ["a negative ttl", { life: { ttl: -1, base: 0 } }],
      ["a base that is ahead", { life: { ttl: 1, base: 1e9 } }],
      ["a fence that is a number", { life: { ...life, fence: 1, lease: 1, leased: 1 } }],
      ["a lease without a time", { life: { ...life, fence: "x", lease: 1 } }],
      ["an unknown kind", { kind: "other", life }],
      ["the beginning of a lease without a life", { kind: "begin" }],
      ["the end in a mark of a deletion", { kind: "deleted", ended: "{}" }],
      ["a previous offset that is ahead", { prev: 1e9, life }],
    ])("marks %s, and keeps the messages and the end around it", async (_, fields) => {
      const stream = nextStream();
      const [one, other] = [await join(stream), await join(stream)];
      const heard: Notice[] = [];
      await other.listen("t", (notice) => heard.push(notice));
      await one.publish("t", publication("1"), kept);
      await store(`${stream}.t`, fieldsOf(fields), "2");
      await one.publish("t", publication("3"), kept);
      await one.publish("t", ending("complete"), kept);
      const fault = expect.stringContaining("no valid header") as string;
      expect(await jsonsIn(other, "t")).toEqual(["1", fault, "3", ""]);
      await until(() => heard.length === 4, SOON_MS);
      expect(heard[1]?.message).toMatchObject({ fault, json: "" });
      await expectCode("ERR_ENDED", () => other.publish("t", publication("4"), kept));
    });

    test.each([
      ["valid message", fieldsOf({})],
      ["message of that life", fieldsOf({ life })],
      ["second end", fieldsOf({ life, ended: "{}" })],
      ["entry without fields", ""],
    ])("leaves out a %s that was stored after the end", async (_, fields) => {
      const stream = nextStream();
      const one = await join(stream);
      const heard: Notice[] = [];
      await one.listen("t", (notice) => heard.push(notice));
      await one.publish("t", publication("1"), kept);
      const end = await one.publish("t", ending("complete"), kept);
      await store(`${stream}.t`, fields, "2");
      await expectCode("ERR_ENDED", () => one.publish("t", publication("3"), kept));
      await expectCode("ERR_ENDED", () => one.publish("t", publication("3", { messageId: "id" }), wide));
      expect(await one.read("t", 0, kept, Infinity)).toMatchObject({ head: end.offset, messages: [{ json: "1" }, {}] });
      expect(await jsonsIn(one, "t")).toEqual(["1", ""]);
      expect(heard.map(({ message }) => message.json)).toEqual(["1", ""]);
      // A process that knows nothing of the topic yet reads the same.
      if (fields !== "" && !fields.includes("life")) expect(await jsonsIn(await join(stream), "t")).toEqual(["1", ""]);
    });

    test("does not believe a notice of an end", async () => {
      const stream = nextStream();
      const one = await join(stream);
      const heard: Notice[] = [];
      await one.listen("t", (notice) => heard.push(notice));
      await one.publish("t", publication("1"), kept);
      for (let i = 0; i < 3; i += 1) await one.publish("other", publication("1"), kept);
      const forged = headers();
      forged.set("Comet-Message", fieldsOf({ life, ended: "{}" }));
      forged.set("Nats-Sequence", "3");
      forged.set("Nats-Last-Sequence", "2");
      admin.publish(`${stream}-live.t`, "", { headers: forged });
      await until(() => heard.length === 2, SOON_MS);
      await one.publish("t", publication("2"), kept);
      expect(await jsonsIn(one, "t")).toEqual(["1", "2"]);
    });

    test.each(["", "null", "[]", "x", '{"fence":1}', '{"fence":"fence","lease":"1","ttl":1,"base":0}'])(
      "does not believe a record of renewals with the content %j",
      async (record) => {
        const stream = nextStream();
        const [one, other] = [await join(stream), await join(stream)];
        await store(`${stream}.t.lease`, "", record);
        expect((await other.read("t", 0, kept, Infinity)).finite).toBeUndefined();
        await acquire(one, "t", "fence");
        await store(`${stream}.t.lease`, "", record);
        expect(await other.finite.settle("t", ending("lost"), kept)).toBeGreaterThan(0);
        await one.finite.renewLease("t", "fence", 120_000);
        expect(await other.finite.settle("t", ending("lost"), kept)).toBeGreaterThan(60_000);
        await one.publish("t", { ...publication("1"), fence: "fence" }, kept);
        expect(await jsonsIn(other, "t")).toEqual(["1"]);
      },
    );
  });
});

test("a name that a hub has read can be produced and ended there", async () => {
  const server = await startNats();
  onTestFinished(() => server.close());
  const { hub } = notedHub({ broker: await natsBroker({ connection: { servers: `127.0.0.1:${server.port}` } }) });
  const reader = await followHub(hub, "topic=t&wire=ndjson");
  await reader.begun();
  expect((await hub.produce("t", () => ["a", "b"])).outcome).toBe("complete");
  await reader.ended();
  expect(reader.data).toEqual(["a", "b"]);
  expect(reader.items.map(({ type }) => type)).toEqual(["open", "message", "message", "ended", "end"]);
});

test("a position of an earlier topic of a name is a gap, for readers that the log is too short for as well", async () => {
  const server = await startNats();
  onTestFinished(() => server.close());
  const { hub } = notedHub({
    broker: await natsBroker({ connection: { servers: `127.0.0.1:${server.port}` } }),
    topics: () => ({ finite: true, log: { maxEntries: 10 }, history: { maxEntries: 1000 } }),
  });
  const topic = hub.topic<number>("t");
  let earlier = "";
  for (let i = 0; i < 20; i += 1) earlier = await topic.publish(i);
  await topic.delete();
  for (let i = 100; i < 140; i += 1) await topic.publish(i);
  const reader = await followHub(hub, `topic=t&wire=ndjson&lastEventId=${encodeURIComponent(earlier)}`);
  await reader.has(40);
  expect(reader.open.states).toEqual({ t: "gap" });
  expect(reader.items.slice(1, 3)).toMatchObject([{ type: "gap", missed: null }, { type: "message" }]);
  expect(reader.data).toEqual(Array.from({ length: 40 }, (_, i) => 100 + i));
});

function ignore(): void {
  // These tests call the broker as a hub does, and await its answers alone.
}

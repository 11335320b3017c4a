import { spawn } from "node:child_process";
import { once } from "node:events";
import { cpSync, rmSync } from "node:fs";
import { createServer } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { connect, type NatsConnection } from "@nats-io/transport-node";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { tryPublishing } from "../../src/brokers/nats/ensure-stream.ts";
import { natsBroker, type NatsBrokerOptions } from "../../src/brokers/nats/index.ts";
import { checkNatsOptions } from "../../src/brokers/nats/nats-broker-options.ts";
import { NatsLink } from "../../src/brokers/nats/nats-link.ts";
import { CometError } from "../../src/index.ts";
import type { Broker, Notice } from "../../src/log/broker.ts";
import { freePort } from "../support/free-port.ts";
import { startNats, type NatsServer } from "../support/nats.ts";
import { expectCode, until } from "../support/sources.ts";
import { tcpProxy, type TcpProxy } from "../support/tcp-proxy.ts";
import { inFlight, publication, wide } from "./contract-world.ts";
import { brokerContract } from "./contract.ts";
import { NEVER_MS, serverWorld } from "./server-world.ts";

brokerContract(
  "nats",
  async (limits) =>
    serverWorld(await startNats(), (port) =>
      natsBroker({ connection: { servers: `127.0.0.1:${port}` }, log: { maxEntries: wide.maxEntries }, ...limits }),
    ),
  { trimsByBytes: false, renewsTopics: false, hasNetwork: true, keepsFinite: true },
);

describe("the broker of NATS", () => {
  let server: NatsServer;
  let admin: NatsConnection;
  const closers: (() => Promise<unknown>)[] = [];
  let streams = 0;

  beforeAll(async () => {
    server = await startNats();
    admin = await connect({ servers: `127.0.0.1:${server.port}`, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
  });
  afterEach(async () => {
    for (const close of closers.splice(0).reverse()) await close();
  });
  afterAll(async () => {
    await admin.close();
    await server.close();
  });

  const nextStream = (): string => `s${(streams += 1)}`;

  interface Joined {
    readonly broker: Broker;
    readonly told: string[];
    readonly losses: unknown[];
    /** The messages of the errors that were passed to `ignored`. */
    readonly ignored: string[];
  }

  /** Creates and attaches a broker. It is closed after the test. */
  async function join(options: NatsBrokerOptions = {}, port = server.port): Promise<Joined> {
    const { connection, ...others } = options;
    const broker = await natsBroker({
      connection: { servers: `127.0.0.1:${port}`, ...connection },
      heartbeatMs: 200,
      ...others,
    });
    closers.push(() => broker.close());
    const told: string[] = [];
    const losses: unknown[] = [];
    const ignored: string[] = [];
    broker.attach({
      lost: (error) => {
        told.push("lost");
        losses.push(error);
      },
      restored: () => told.push("restored"),
      signalled: (text) => told.push(text),
      ignored: ({ message }) => ignored.push(message),
    });
    return { broker, told, losses, ignored };
  }

  async function proxied(): Promise<TcpProxy> {
    const proxy = await tcpProxy(server.port);
    closers.push(() => proxy.close());
    return proxy;
  }

  interface Answer {
    readonly error?: { readonly description: string };
    readonly config: Record<string, unknown>;
    readonly state: { readonly consumer_count: number; readonly first_seq: number };
  }

  async function api(verb: string, request?: unknown): Promise<Answer> {
    const answer = await admin.request(`$JS.API.${verb}`, request === undefined ? "" : JSON.stringify(request));
    return answer.json<Answer>();
  }

  async function eventually(condition: () => Promise<boolean>): Promise<void> {
    const end = performance.now() + 4000;
    while (!(await condition())) {
      if (performance.now() > end) expect.fail(`not in time: ${condition.toString()}`);
      await sleep(20);
    }
  }

  const bounds = wide;
  const offsetsOf = (messages: readonly { readonly offset: number }[]): number[] =>
    messages.map(({ offset }) => offset);

  describe("start", () => {
    const started: Broker[] = [];

    async function rejection(options: NatsBrokerOptions, port = server.port): Promise<CometError> {
      try {
        const servers = `127.0.0.1:${port}`;
        const broker = await natsBroker({ ...options, connection: { servers, ...options.connection } });
        started.push(broker);
        await broker.close();
      } catch (error) {
        expect(error).toBeInstanceOf(CometError);
        return error as CometError;
      }
      return expect.fail("it started");
    }

    test.each([
      ["stream", { stream: "a.b" }],
      ["prefix", { prefix: "a..b" }],
      ["prefix", { prefix: "a.>" }],
      ["domain", { domain: "" }],
      ["storage", { storage: "tape" as "file" }],
      ["replicas", { replicas: 6 }],
      ["log.maxEntries", { log: { maxEntries: 0 } }],
      ["log.maxAgeMs", { log: { maxAgeMs: 99 } }],
      ["maxStreamBytes", { maxStreamBytes: 1000 }],
      ["timeoutMs", { timeoutMs: 1 }],
      ["heartbeatMs", { heartbeatMs: 0 }],
      ["connection", { connection: { inboxPrefix: "a b" } }],
    ] as [string, NatsBrokerOptions][])("rejects an invalid %s", async (name, options) => {
      const error = await rejection(options);
      expect(error.code).toBe("ERR_OPTION");
      expect(error.message).toContain(name);
    });

    test("waits for a stream that another process has just created", async () => {
      const settings = checkNatsOptions({ connection: { servers: `127.0.0.1:${server.port}` } });
      const link = await NatsLink.open(settings, new AbortController().signal, () => undefined);
      closers.push(() => link.close(new CometError("ERR_CLOSED", "closed")));
      const asked = vi.spyOn(link, "request");
      const trying = tryPublishing(link, "created.%");
      await until(() => asked.mock.calls.length > 1);
      admin.subscribe("created.%", { callback: (_error, message) => void message.respond("{}") });
      await trying;
    });

    test("rejects if there is no server", async () => {
      expect((await rejection({}, await freePort())).code).toBe("ERR_BROKER");
    });

    test("rejects if the server does not answer, and leaves no connection behind", async () => {
      const proxy = await proxied();
      proxy.stall();
      const error = await rejection({ connectTimeoutMs: 300 }, proxy.port);
      expect(error.code).toBe("ERR_BROKER");
      expect(error.message).toContain("300 ms");
      proxy.resume();
      await until(() => proxy.connections === 0);
    });

    test("rejects within connectTimeoutMs if JetStream does not answer, and leaves no connection behind", async () => {
      const plain = await startNats({ jetStream: false });
      closers.push(() => plain.close());
      const mute = await connect({ servers: `127.0.0.1:${plain.port}` });
      closers.push(() => mute.close());
      mute.subscribe("$JS.API.>", { callback: () => undefined });
      await mute.flush();
      const proxy = await tcpProxy(plain.port);
      closers.push(() => proxy.close());
      const error = await rejection({ connectTimeoutMs: 300, timeoutMs: 60_000 }, proxy.port);
      expect(error.code).toBe("ERR_BROKER");
      expect(error.message).toContain("within 300 ms");
      await until(() => proxy.connections === 0);
    });

    test("rejects a server without JetStream", async () => {
      const plain = await startNats({ jetStream: false });
      closers.push(() => plain.close());
      const error = await rejection({}, plain.port);
      expect(error.code).toBe("ERR_BROKER_CONFIG");
      expect(error.message).toContain("JetStream does not answer");
    });

    test("rejects a user who lacks a permission", async () => {
      const strict = await startNats({
        configuration: `accounts {
          plain { users: [{ user: plain, password: p }] }
          js { jetstream: enabled, users: [
            { user: all, password: p }
            { user: silent, password: p, permissions: { publish: { deny: "comet.>" } } }
            { user: deaf, password: p, permissions: { subscribe: { deny: "comet-live.>" } } }
            { user: mute, password: p, permissions: { publish: { deny: "$JS.API.>" } } }
            { user: closed, password: p, permissions: { subscribe: { deny: "_INBOX.>" } } }
          ] }
        }`,
      });
      closers.push(() => strict.close());
      const as = (user: string, pass = "p"): NatsBrokerOptions => ({ connection: { user, pass }, timeoutMs: 1000 });
      const { broker } = await join(as("all"), strict.port);
      await broker.publish("t", publication("1"), bounds);
      for (const [user, what] of [
        ["plain", "JetStream"],
        ["silent", "comet.%"],
        ["deaf", "comet-live.%"],
        ["mute", "$JS.API"],
        ["closed", "_INBOX"],
      ] as const) {
        const error = await rejection(as(user), strict.port);
        expect([user, error.code]).toEqual([user, "ERR_BROKER_CONFIG"]);
        expect(error.message).toContain(what);
      }
      expect((await rejection(as("all", "wrong"), strict.port)).code).toBe("ERR_BROKER_CONFIG");
      expect((await rejection({ timeoutMs: 1000 }, strict.port)).code).toBe("ERR_BROKER_CONFIG");
    });

    test("rejects a stream with another configuration, and names the differences", async () => {
      const stream = nextStream();
      await api(`STREAM.CREATE.${stream}`, { name: stream, subjects: ["orders.*"], retention: "workqueue" });
      const foreign = await rejection({ stream });
      expect(foreign.code).toBe("ERR_BROKER_CONFIG");
      for (const part of [stream, 'subjects is ["orders.*"]', 'retention is "workqueue"', "republish is not set"]) {
        expect(foreign.message).toContain(part);
      }
      const overlapping = await rejection({ stream: nextStream(), prefix: "orders" });
      expect(overlapping.code).toBe("ERR_BROKER_CONFIG");
      expect(overlapping.message).toContain("overlap");
      const own = nextStream();
      await join({ stream: own, log: { maxEntries: 10 } });
      for (const [part, options] of [
        ["max_msgs_per_subject is 11 instead of 21", { log: { maxEntries: 20 } }],
        ["max_age", { log: { maxEntries: 10, maxAgeMs: 1000 } }],
        ["storage", { log: { maxEntries: 10 }, storage: "memory" }],
        ["max_bytes", { log: { maxEntries: 10 }, maxStreamBytes: 2 ** 20 }],
        ["republish", { log: { maxEntries: 10 }, prefix: "elsewhere" }],
      ] as [string, NatsBrokerOptions][]) {
        const error = await rejection({ stream: own, ...options });
        expect(error.code).toBe("ERR_BROKER_CONFIG");
        expect(error.message).toContain(part);
      }
    });

    test("begins another epoch after a bound was changed by hand", async () => {
      const stream = nextStream();
      const one = await join({ stream, log: { maxEntries: 5 } });
      const positions = await inFlight(9, 1, (i) => one.broker.publish("t", publication(String(i)), bounds));
      const { config } = await api(`STREAM.INFO.${stream}`);
      await api(`STREAM.UPDATE.${stream}`, { ...config, max_msgs_per_subject: 51 });
      const other = await join({ stream, log: { maxEntries: 50 } });
      const { epoch } = await other.broker.read("t", 0, bounds, Infinity);
      expect(epoch).not.toBe(positions[0]?.epoch);
      await until(() => one.told.length === 2);
      expect(one.told).toEqual(["lost", "restored"]);
      expect((await one.broker.publish("t", publication("1"), bounds)).epoch).toBe(epoch);
    });

    test("creates one stream for many brokers that start at the same time", async () => {
      const stream = nextStream();
      const all = await Promise.all(Array.from({ length: 8 }, () => join({ stream })));
      const histories = await Promise.all(all.map(({ broker }) => broker.read("t", 0, bounds, Infinity)));
      expect(new Set(histories.map(({ epoch }) => epoch)).size).toBe(1);
    });
  });

  describe("floor", () => {
    test("is 0 if only other topics have earlier messages", async () => {
      const { broker } = await join({ stream: nextStream() });
      await inFlight(50, 10, (i) => broker.publish("other", publication(String(i)), bounds));
      const { offset } = await broker.publish("t", publication("1"), bounds);
      expect(await broker.read("t", 0, bounds, Infinity)).toMatchObject({ floor: 0, head: offset });
    });

    test("is the newest message that maxEntries has removed", async () => {
      const { broker } = await join({ stream: nextStream(), log: { maxEntries: 3 } });
      const positions = await inFlight(5, 1, (i) => broker.publish("t", publication(String(i)), bounds));
      await broker.publish("other", publication("1"), bounds);
      const offsets = offsetsOf(positions);
      // The stream holds one more, since an end does not count.
      const three = { ...bounds, maxEntries: 3 };
      const { floor, head, messages } = await broker.read("t", 0, three, Infinity);
      expect([offsetsOf(messages), head]).toEqual([offsets.slice(2), offsets[4]]);
      expect(floor).toBe(offsets[1]);
      expect((await broker.read("t", offsets[0] as number, three, 0)).floor).toBe(offsets[1]);
      expect((await broker.read("t", offsets[2] as number, three, 0)).floor).toBeLessThanOrEqual(offsets[2] as number);
      // When the first message of the stream has been removed, messages of any topic may have been.
      expect((await broker.read("never", 0, bounds, Infinity)).floor).toBe(offsets[0]);
      expect((await broker.read("other", 0, bounds, Infinity)).floor).toBe(offsets[0]);
      expect((await broker.read("t", 0, bounds, Infinity)).floor).toBe(offsets[0]);
    });

    test("is the newest message that has aged out, unless the process had all of them", async () => {
      const stream = nextStream();
      const { broker } = await join({ stream, log: { maxAgeMs: 1500 } });
      await broker.listen("t", () => undefined);
      const positions = await inFlight(3, 1, (i) => broker.publish("t", publication(String(i)), bounds));
      const last = (positions[2] as (typeof positions)[0]).offset;
      await eventually(async () => (await api(`STREAM.INFO.${stream}`)).state.first_seq > last);
      expect(await broker.read("t", 0, bounds, Infinity)).toMatchObject({ floor: last, head: last });
      await broker.publish("other", publication("1"), bounds);
      expect((await broker.read("t", last, bounds, 400)).floor).toBe(last);
      expect((await broker.read("t", last - 1, bounds, 400)).floor).toBe(last);
      const late = await broker.read("t", 0, bounds, 60_000);
      expect([late.floor, late.head]).toEqual([last, last]);
    });

    test("covers messages that maxStreamBytes has removed", async () => {
      const { broker } = await join({ stream: nextStream(), maxStreamBytes: 2 ** 20 });
      const positions = await inFlight(4, 1, (i) => broker.publish("t", publication(String(i)), bounds));
      const last = (positions[3] as (typeof positions)[0]).offset;
      expect((await broker.read("t", 0, bounds, Infinity)).floor).toBe(0);
      const large = publication(JSON.stringify("x".repeat(100_000)));
      await inFlight(20, 5, () => broker.publish("large", large, bounds));
      const { floor, messages } = await broker.read("t", (positions[1] as (typeof positions)[0]).offset, bounds, 0);
      expect([messages, floor >= last]).toEqual([[], true]);
    });

    test("covers each message that is missing in an answer while the topic is trimmed", async () => {
      const stream = nextStream();
      const [one, other] = [
        await join({ stream, log: { maxEntries: 60 } }),
        await join({ stream, log: { maxEntries: 60 } }),
      ];
      // While this message is held, only the number of messages shows that some of the topic have been removed.
      await one.broker.publish("other", publication("1"), bounds);
      const progress = { isOver: false };
      let published: number[] = [];
      const publishing = inFlight(6000, 60, async (i) => {
        published.push((await one.broker.publish("t", publication(String(i)), bounds)).offset);
      }).finally(() => (progress.isOver = true));
      const histories = [];
      let after = 0;
      while (!progress.isOver) {
        const history = await other.broker.read("t", after, bounds, Infinity);
        histories.push({ after, ...history });
        after = Math.max(history.messages.at(-1)?.offset ?? history.floor, after);
      }
      await publishing;
      published = published.sort((x, y) => x - y);
      for (const { after, floor, messages } of histories) {
        const begin = Math.max(after, floor);
        const last = messages.at(-1)?.offset ?? 0;
        expect(offsetsOf(messages).filter((offset) => offset > begin)).toEqual(
          published.filter((offset) => offset > begin && offset <= last),
        );
      }
      expect(histories.length).toBeGreaterThan(5);
    });
  });

  describe("a lost connection", () => {
    test("is restored, with all subscriptions", async () => {
      const proxy = await proxied();
      const stream = nextStream();
      // A call that waited for its time limit would outlast the test.
      const [{ broker, told, losses }, other] = [
        await join({ stream, timeoutMs: NEVER_MS }, proxy.port),
        await join({ stream }),
      ];
      const heard: Notice[] = [];
      await broker.listen("t", (notice) => heard.push(notice));
      await other.broker.publish("t", publication("1"), bounds);
      await until(() => heard.length === 1);
      for (let round = 1; round <= 3; round += 1) {
        proxy.refuse();
        await until(() => told.length === 2 * round - 1);
        await expectCode("ERR_BROKER", () => broker.publish("t", publication("2"), bounds));
        await expectCode("ERR_BROKER", () => broker.read("t", 0, bounds, 0));
        await expectCode("ERR_BROKER", () => broker.listen("u", () => undefined));
        const { offset } = await other.broker.publish("t", publication('"missed"'), bounds);
        proxy.accept();
        await until(() => told.length === 2 * round);
        const next = await other.broker.publish("t", publication('"told"'), bounds);
        await until(() => heard.at(-1)?.message.offset === next.offset);
        expect(heard.at(-1)?.previous).toBe(offset);
      }
      expect(told).toEqual(["lost", "restored", "lost", "restored", "lost", "restored"]);
      for (const error of losses) expect(error).toMatchObject({ code: "ERR_BROKER" });
      expect(proxy.connections).toBe(1);
    });

    test("is detected soon when the network is silent, while pending data stays bounded", async () => {
      const proxy = await proxied();
      const { broker, told } = await join(
        { stream: nextStream(), maxPendingBytes: 2 ** 22, timeoutMs: NEVER_MS },
        proxy.port,
      );
      const large = publication(JSON.stringify("x".repeat(500_000)));
      await broker.publish("t", large, bounds);
      proxy.stall();
      const publishing = Array.from({ length: 40 }, () =>
        broker.publish("t", large, bounds).then(
          () => "published",
          (error: unknown) => (error as CometError).code,
        ),
      );
      await until(() => told.length === 1);
      const codes = await Promise.all(publishing);
      expect(new Set(codes)).toEqual(new Set(["ERR_UNACKNOWLEDGED", "ERR_BROKER"]));
      // Messages beyond the bound are known not to be published.
      expect(codes.filter((code) => code === "ERR_UNACKNOWLEDGED")).toHaveLength(8);
      await sleep(700);
      expect(told).toEqual(["lost"]);
      proxy.resume();
      await until(() => told.length === 2);
      await broker.publish("t", publication("1"), bounds);
      await until(() => proxy.connections === 1);
    });

    test("rejects pending publishes with ERR_UNACKNOWLEDGED, and their retries are deduplicated", async () => {
      const proxy = await proxied();
      const stream = nextStream();
      const [{ broker, told }, other] = [await join({ stream }, proxy.port), await join({ stream })];
      const codes = new Set<string>();
      const positions = await inFlight(400, 50, async (i) => {
        if (i === 150 || i === 300) proxy.cut();
        for (;;) {
          try {
            return await broker.publish("t", publication(String(i), { messageId: `id ${i}` }), bounds);
          } catch (error) {
            codes.add((error as CometError).code);
            await sleep(20);
          }
        }
      });
      expect(codes.has("ERR_UNACKNOWLEDGED")).toBe(true);
      for (const code of codes) expect(["ERR_UNACKNOWLEDGED", "ERR_BROKER"]).toContain(code);
      const { messages } = await other.broker.read("t", 0, bounds, Infinity);
      expect(messages.map(({ messageId }) => messageId).toSorted()).toEqual(
        Array.from({ length: 400 }, (_, i) => `id ${i}`).toSorted(),
      );
      expect(new Set(offsetsOf(messages))).toEqual(new Set(offsetsOf(positions)));
      expect(told.slice(0, 2)).toEqual(["lost", "restored"]);
    });

    test("is retried after at most maxRetryMs each time", async () => {
      const other = await startNats();
      closers.push(() => other.close());
      const { told } = await join({ maxRetryMs: 10 }, other.port);
      await other.kill();
      let attempts = 0;
      const trap = createServer((socket) => {
        attempts += 1;
        socket.on("error", () => undefined).destroy();
      }).listen(other.port, "127.0.0.1");
      closers.push(() => Promise.resolve(trap.close()));
      // With the default, this number of connections would take a minute.
      await until(() => attempts >= 25);
      expect(told).toEqual(["lost"]);
      await new Promise((resolve) => trap.close(resolve));
      await other.start();
      await until(() => told.length === 2);
    });

    test("does not keep a process alive when the broker is closed meanwhile", async () => {
      const proxy = await proxied();
      const index = new URL("../../src/brokers/nats/index.ts", import.meta.url).href;
      const program = `
        const { natsBroker } = await import(${JSON.stringify(index)});
        const connection = { servers: "127.0.0.1:${proxy.port}" };
        const limits = { heartbeatMs: 100, connectTimeoutMs: ${NEVER_MS}, timeoutMs: ${NEVER_MS}, maxRetryMs: ${NEVER_MS} };
        const open = () => natsBroker({ connection, ...limits, stream: ${JSON.stringify(nextStream())} });
        const bounds = { maxEntries: 10, maxBytes: 1000, maxAgeMs: 1000 };
        const one = await open();
        await one.listen("t", () => undefined);
        await one.publish("t", { json: "1", bytes: 1 }, bounds);
        await one.close();
        const other = await open();
        const lost = new Promise((resolve) => other.attach({ lost: resolve, restored() {}, signalled() {}, ignored() {} }));
        await other.listen("t", () => undefined);
        console.log("stall");
        await lost;
        // Now it waits for an attempt, or makes one.
        await new Promise((resolve) => setTimeout(resolve, 300));
        await other.close();
        console.log("closed");`;
      const child = spawn(process.execPath, ["--input-type=module", "-e", program]);
      let [output, errors] = ["", ""];
      child.stderr.on("data", (bytes: Buffer) => (errors += String(bytes)));
      child.stdout.on("data", (bytes: Buffer) => {
        output += String(bytes);
        if (output === "stall\n") proxy.stall();
      });
      expect([await once(child, "close"), errors]).toEqual([[0, null], ""]);
      expect(output).toBe("stall\nclosed\n");
    });
  });

  test("leaves no consumer behind", async () => {
    const stream = nextStream();
    const { broker } = await join({ stream });
    await inFlight(1500, 100, (i) => broker.publish("t", publication(String(i)), bounds));
    await inFlight(20, 20, () => broker.read("t", 0, bounds, Infinity));
    await eventually(async () => (await api(`STREAM.INFO.${stream}`)).state.consumer_count === 0);
  });

  test("creates a removed stream again, with another epoch", async () => {
    const stream = nextStream();
    const [one, other] = [await join({ stream }), await join({ stream })];
    const heard: Notice[] = [];
    await other.broker.listen("t", (notice) => heard.push(notice));
    const first = await one.broker.publish("t", publication("1"), bounds);
    await until(() => heard.length === 1);
    await api(`STREAM.DELETE.${stream}`);
    await until(() => one.told.length === 2 && other.told.length === 2);
    expect([one.told, other.told]).toEqual([
      ["lost", "restored"],
      ["lost", "restored"],
    ]);
    const second = await one.broker.publish("t", publication("2"), bounds);
    expect(second.epoch).not.toBe(first.epoch);
    await until(() => heard.length === 2);
    expect(heard[1]).toMatchObject({ epoch: second.epoch, previous: 0, message: { json: "2" } });
    expect(await other.broker.read("t", 0, bounds, Infinity)).toMatchObject({ epoch: second.epoch, floor: 0 });
  });

  test("marks messages that no hub has published", async () => {
    const stream = nextStream();
    const { broker } = await join({ stream });
    const heard: Notice[] = [];
    await broker.listen("t", (notice) => heard.push(notice));
    await broker.publish("t", publication("1"), bounds);
    await admin.request(`${stream}.t`, "</script>");
    const { offset } = await broker.publish("t", publication("2"), bounds);
    await until(() => heard.length === 3);
    const { floor, messages } = await broker.read("t", 0, bounds, Infinity);
    expect([floor, messages.at(-1)?.offset]).toEqual([0, offset]);
    const fault = expect.stringContaining("no valid header Comet-Message") as string;
    for (const all of [messages, heard.map(({ message }) => message)]) {
      expect(all).toHaveLength(3);
      expect(all[1]).toMatchObject({ at: 0, json: "", fault });
    }
  });

  test("rejects a message that is too large for the server with ERR_MESSAGE", async () => {
    const { broker, told } = await join({ stream: nextStream() });
    const large = publication(JSON.stringify("x".repeat(1_100_000)));
    await expectCode("ERR_MESSAGE", () => broker.publish("t", large, bounds));
    await broker.publish("t", publication("1"), bounds);
    expect(told).toEqual([]);
  });

  test("listens to ten thousand topics over one connection", async () => {
    const stream = nextStream();
    const proxy = await proxied();
    const [{ broker, told }, other] = [await join({ stream }, proxy.port), await join({ stream })];
    const count = 10_000;
    const heard = new Map<number, string>();
    await Promise.all(
      Array.from({ length: count }, (_, i) => broker.listen(`topic ${i}`, ({ message }) => heard.set(i, message.json))),
    );
    expect(proxy.connections).toBe(1);
    proxy.cut();
    await until(() => told.length === 2);
    await inFlight(count, 500, (i) => other.broker.publish(`topic ${i}`, publication(String(i)), bounds));
    await until(() => heard.size === count);
    for (const [i, json] of heard) expect(json).toBe(String(i));
    const histories = await Promise.all(
      Array.from({ length: count }, (_, i) => broker.read(`topic ${i}`, 0, bounds, Infinity)),
    );
    expect(histories.every(({ messages }, i) => messages[0]?.json === String(i))).toBe(true);
  });

  test("keeps acknowledged messages after a kill, and begins another epoch after the server has lost some", async () => {
    const killed = await startNats();
    closers.push(() => killed.close());
    const { broker, told } = await join({}, killed.port);
    await broker.listen("t", () => undefined);
    const positions = await inFlight(500, 50, (i) => broker.publish("t", publication(String(i)), bounds));
    await killed.kill();
    await killed.start();
    await until(() => told.length === 2);
    const after = await broker.read("t", 0, bounds, Infinity);
    expect(after.epoch).toBe(positions[0]?.epoch);
    expect(offsetsOf(after.messages)).toEqual(offsetsOf(positions).sort((x, y) => x - y));

    await killed.stop();
    cpSync(killed.store, `${killed.store}-before`, { recursive: true });
    await killed.start();
    await until(() => told.length === 4);
    await broker.publish("t", publication('"lost"'), bounds);
    await killed.stop();
    rmSync(killed.store, { recursive: true });
    cpSync(`${killed.store}-before`, killed.store, { recursive: true });
    await killed.start();
    await until(() => told.length === 6);
    const restored = await broker.read("t", 0, bounds, Infinity);
    expect(restored.epoch).not.toBe(after.epoch);
    const { epoch, offset } = await broker.publish("t", publication('"new"'), bounds);
    expect(epoch).toBe(restored.epoch);
    expect((await broker.read("t", 0, bounds, Infinity)).messages.map((message) => message.offset)).toEqual([offset]);
  });
});

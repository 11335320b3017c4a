import { readFileSync } from "node:fs";
import { createServer, type AddressInfo } from "node:net";
import { setTimeout as sleep } from "node:timers/promises";
import { Redis } from "ioredis";
import { createClient, createCluster } from "redis";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { redisBroker, type RedisBrokerOptions, type RedisClient } from "../../src/brokers/redis/index.ts";
import { freePort } from "../support/free-port.ts";
import { fromIoredis } from "../../examples/guides/ioredis.ts";
import { startRedis, type RedisServer } from "../support/redis.ts";
import { until } from "../support/sources.ts";
import { tcpProxy } from "../support/tcp-proxy.ts";
import { brokerContract } from "./contract.ts";
import { ending, freshTopic, inFlight, kept, Process, publication, wide } from "./contract-world.ts";
import { NEVER_MS, patient, serverWorld } from "./server-world.ts";

type Options = Omit<RedisBrokerOptions, "client">;

brokerContract(
  "redis",
  async (limits) =>
    serverWorld(await startRedis({ persistent: true }), (port) =>
      redisBroker({ client: createClient({ url: `redis://127.0.0.1:${port}` }), ...limits }),
    ),
  { hasNetwork: true, keepsFinite: true },
);

const DAY = 86_400_000;

describe("the Redis broker", () => {
  const closing: (() => unknown)[] = [];
  let server: RedisServer;

  beforeAll(async () => {
    server = await startRedis({ persistent: true });
  });
  afterEach(async () => {
    for (const close of closing.splice(0).reverse()) await close();
  });
  afterAll(() => server.close());

  /** Creates a broker of another process. It is closed after the test. */
  async function join(options: Options = {}, url: string = server.url): Promise<Process> {
    const process = new Process(await redisBroker({ client: createClient({ url }), ...patient, ...options }));
    closing.push(() => expect(process.faults).toEqual([]));
    closing.push(() => process.close());
    return process;
  }

  /** Waits until a key has expired. */
  async function untilGone(key: string): Promise<void> {
    const end = performance.now() + 5000;
    while ((await server.cli("EXISTS", key)) === "1") {
      if (performance.now() > end) expect.fail(`${key} is still there`);
      await sleep(20);
    }
  }

  /** Starts a server that the test may break. */
  async function startOther(...args: Parameters<typeof startRedis>): Promise<RedisServer> {
    const other = await startRedis(...args);
    closing.push(() => other.close());
    return other;
  }

  async function startProxy(port: number = server.port): Promise<Awaited<ReturnType<typeof tcpProxy>>> {
    const proxy = await tcpProxy(port);
    closing.push(() => proxy.close());
    return proxy;
  }

  describe("in Redis", () => {
    test("keeps a topic in a stream and a hash, and an id in a string, which share a slot and expire", async () => {
      const a = await join({ prefix: "layout", topicTtlMs: 50_000 });
      const bounds = { ...wide, maxAgeMs: 10_000 };
      const message = publication('"é"', { event: "e", messageId: "m" });
      const { epoch } = await a.publish("{a}%b}", message, bounds);
      const base = "layout:{{a%7D%25b%7D}";
      const names = (await server.cli("KEYS", "layout:*")).split("\n").filter((name) => !name.includes("rehearsal"));
      expect(names.sort()).toEqual([`${base}:id:m`, `${base}:log`, `${base}:meta`]);
      expect(await server.cli("XRANGE", `${base}:log`, "-", "+")).toMatch(
        /^1-0\nat\n\d{13}\nbefore\n0\nabout\n\{"event":"e","messageId":"m"\}\ndata\n"é"$/,
      );
      expect(await server.cli("HGET", `${base}:meta`, "epoch")).toBe(epoch);
      const ttl = async (name: string): Promise<number> => Number(await server.cli("PTTL", `${base}:${name}`));
      expect(await ttl("log")).toBeGreaterThan(0);
      expect(await ttl("log")).toBeLessThanOrEqual(12_500);
      expect(await ttl("id:m")).toBeLessThanOrEqual(10_000);
      expect(await ttl("meta")).toBeGreaterThan(12_500);
      const slots = names.map((name) => /\{[^}]*\}/.exec(name)?.[0]);
      expect(new Set(slots).size).toBe(1);
      expect(await server.cli("HGET", "layout", "comet-sockets")).toBe("2");
    });

    test("holds at most a sixteenth more than its bounds, and does not return that", async () => {
      const a = await join({ prefix: "little" });
      const json = JSON.stringify("x".repeat(98));
      const client = await createClient({ url: server.url }).connect();
      closing.push(() => client.destroy());
      for (const [topic, bounds] of [
        ["entries", { ...wide, maxEntries: 160 }],
        ["bytes", { ...wide, maxBytes: 16_000 }],
      ] as const) {
        let most = 0;
        for (let i = 0; i < 60; i += 1) {
          await inFlight(10, 10, () => a.publish(topic, json, bounds));
          most = Math.max(most, await client.xLen(`little:{${topic}}:log`));
        }
        expect(most).toBe(170);
        const { messages, floor } = await a.readAll(topic, 0, bounds);
        expect(messages.map(({ offset }) => offset)).toEqual(Array.from({ length: 160 }, (_, i) => 441 + i));
        expect(floor).toBe(440);
        expect(await client.xLen(`little:{${topic}}:log`)).toBe(160);
      }
    });

    test("counts bytes anew once all messages have expired", async () => {
      const a = await join({ prefix: "again" });
      const bounds = { maxEntries: 100, maxBytes: 1024, maxAgeMs: 100 };
      await a.publish("t", JSON.stringify("x".repeat(1000)), bounds);
      await untilGone("again:{t}:log");
      const long = { ...bounds, maxAgeMs: 60_000 };
      for (let i = 0; i < 10; i += 1) await a.publish("t", JSON.stringify("y".repeat(98)), long);
      const { messages, floor, head } = await a.read("t", 0, long);
      expect([messages.length, floor, head]).toEqual([10, 1, 11]);
    });

    test("remembers a topic while a process listens to it, and no other", async () => {
      const a = await join({ prefix: "kept", topicTtlMs: 1000 });
      const bounds = { ...wide, maxAgeMs: 100 };
      const [kept] = [await a.publish("kept", "1", bounds), await a.publish("gone", "1", bounds)];
      await a.listen("kept");
      await untilGone("kept:{gone}:meta");
      await sleep(500);
      expect(await a.publish("kept", "2", bounds)).toEqual({ epoch: kept.epoch, offset: 2 });
    });

    const ttlOf = async (key: string): Promise<number> => Number(await server.cli("PTTL", key));

    test("keeps a topic for a day until its end, then for ttlMs, and its name for longer", async () => {
      const a = await join({ prefix: "ends", topicTtlMs: 200_000 });
      const [log, meta] = ["ends:{t}:log", "ends:{t}:meta"];
      expect(await a.acquire("t", "fence")).toBe("acquired");
      expect(await ttlOf(meta)).toBeGreaterThanOrEqual(DAY);
      await a.publish("t", publication("1", { messageId: "m" }), kept);
      for (const key of [log, meta]) expect(await ttlOf(key)).toBeGreaterThanOrEqual(DAY);
      expect(await ttlOf("ends:{t}:id:m")).toBeLessThanOrEqual(60_000);
      for (const key of [log, meta]) await server.cli("PEXPIRE", key, "50000");
      await a.renewLease("t", "fence");
      for (const key of [log, meta]) expect(await ttlOf(key)).toBeGreaterThanOrEqual(DAY);
      await a.publish("t", ending("complete"), kept);
      await a.read("t", 0, kept);
      expect(await ttlOf(log)).toBeGreaterThan(30_000);
      expect(await ttlOf(log)).toBeLessThanOrEqual(60_000);
      expect(await ttlOf(meta)).toBeGreaterThan(230_000);
      expect(await ttlOf(meta)).toBeLessThanOrEqual(260_000);
    });

    test("reports a topic as expired while it knows the name", async () => {
      const a = await join({ prefix: "expired" });
      const brief = { ...kept, ttlMs: 1 };
      const end = await a.publish("t", ending("complete"), brief);
      await untilGone("expired:{t}:log");
      const expired = { epoch: end.epoch, floor: 1, head: 1, messages: [], finite: { ttlMs: 1, isExpired: true } };
      expect(await a.read("t", 0, brief)).toMatchObject(expired);
      await server.cli("XADD", "expired:{t}:log", "1-0", "foo", "bar");
      expect(await a.read("t", 0, brief)).toMatchObject(expired);
      const next = await a.publish("t", "1");
      expect(next.offset).toBe(1);
      expect(next.epoch).not.toBe(end.epoch);
      expect((await a.read("t")).finite).toBeUndefined();
    });

    test("extends the time to live of a topic that ends while a process listens, and shortens none", async () => {
      const a = await join({ prefix: "followed", topicTtlMs: 1000 });
      await a.publish("t", "1", kept);
      await a.listen("t");
      const [log, meta] = ["followed:{t}:log", "followed:{t}:meta"];
      await server.cli("PEXPIRE", log, "60000");
      const end = performance.now() + 10_000;
      while ((await ttlOf(log)) < DAY) {
        if (performance.now() > end) expect.fail("the log is not kept");
        await sleep(20);
      }
      expect(await ttlOf(meta)).toBeGreaterThanOrEqual(DAY);
    });

    test("keeps nothing for long of a topic that ends and has not begun", async () => {
      const a = await join({ prefix: "unbegun", topicTtlMs: 10_000 });
      await a.read("t", 0, kept);
      expect(await ttlOf("unbegun:{t}:meta")).toBeGreaterThan(0);
      expect(await ttlOf("unbegun:{t}:meta")).toBeLessThanOrEqual(12_500);
    });

    test("holds the newest message beside the end, however large it is", async () => {
      const a = await join({ prefix: "giant" });
      const little = { ...kept, maxBytes: 1024 };
      const json = JSON.stringify("x".repeat(5000));
      for (const each of ["1", json]) await a.publish("t", each, little);
      await a.publish("t", ending("complete"), little);
      expect((await a.readAll("t", 0, little)).messages.map((message) => message.json)).toEqual([json, ""]);
    });

    test("remembers the ids of one life of a topic, over renew", async () => {
      const a = await join({ prefix: "lives" });
      const once = publication("1", { messageId: "m" });
      const first = await a.publish("t", once, kept);
      await a.renew("t", first.epoch);
      expect(await a.publish("t", once, kept)).toEqual(first);
      await a.acquire("t", "fence", { restart: true });
      const second = await a.publish("t", once, kept);
      expect(second.epoch).not.toBe(first.epoch);
      expect(await a.publish("t", once, kept)).toEqual(second);
      await a.delete("t");
      const third = await a.publish("t", once);
      expect(third.epoch).not.toBe(second.epoch);
      expect(await a.publish("t", once, kept)).toEqual(third);
    });

    test("begins another epoch in a stream without recorded offsets", async () => {
      const a = await join({ prefix: "odd" });
      const first = await a.publish("t", "1");
      await server.cli("DEL", "odd:{t}:meta");
      const second = await a.publish("t", "2");
      expect(second.offset).toBe(1);
      expect(second.epoch).not.toBe(first.epoch);
      expect((await a.readAll("t")).messages.map(({ json }) => json)).toEqual(["2"]);
    });

    test("begins another epoch when all keys are deleted, and notifies listeners of it", async () => {
      const other = await startOther();
      const [a, b] = [await join({}, other.url), await join({}, other.url)];
      const ear = await b.listen("t");
      const first = await a.publish("t", "1");
      await other.cli("FLUSHALL");
      const second = await a.publish("t", "2");
      expect(second.offset).toBe(1);
      expect(second.epoch).not.toBe(first.epoch);
      await until(() => ear.notices.length === 2);
      expect(ear.notices.map(({ epoch, previous }) => [epoch, previous])).toEqual([
        [first.epoch, 0],
        [second.epoch, 0],
      ]);
    });

    test("sends a server its lost scripts again, and keeps the order", async () => {
      const a = await join();
      const topics = [freshTopic("one"), freshTopic("two")];
      for (let round = 0; round < 5; round += 1) {
        const before = topics.map((topic) => a.publish(topic, `"${round} first"`));
        const flush = { isDone: false };
        void server.cli("SCRIPT", "FLUSH").then(() => (flush.isDone = true));
        const positions = [];
        for (let i = 0; i < 50 || !flush.isDone; i += 1) {
          positions.push(...topics.map((topic) => a.publish(topic, `[${round},${i}]`)));
          if (i % 5 === 0) await sleep(0);
        }
        await Promise.all([...before, ...positions]);
      }
      for (const topic of topics) {
        const { messages } = await a.readAll(topic);
        for (let round = 0; round < 5; round += 1) {
          const own = messages.filter(({ json }) => json.startsWith(`[${round},`)).map(({ json }) => json);
          expect(own).toEqual(own.map((_, i) => `[${round},${i}]`));
        }
      }
    });

    test("listens to ten thousand topics over one connection, also after an outage", async () => {
      const other = await startOther();
      const a = await join({}, other.url);
      const count = 10_000;
      const ears = await inFlight(count, 1000, (i) => a.listen(`topic ${i}`));
      const clients = (await other.cli("CLIENT", "LIST"))
        .split("\n")
        .filter((line) => !line.includes("cmd=client|list"));
      expect(clients.map((line) => Number(/\bsub=(\d+)/.exec(line)?.[1])).sort((x, y) => x - y)).toEqual([
        0,
        count + 2,
      ]);
      await inFlight(count, 1000, (i) => a.publish(`topic ${i}`, String(i)));
      await until(() => ears.every(({ notices }) => notices.length === 1));
      await other.kill();
      await other.start();
      await until(() => a.told.length === 2);
      await inFlight(count, 1000, (i) => a.publish(`topic ${i}`, String(-i)));
      await until(() => ears.every(({ notices }) => notices.length === 2));
      expect(ears.every(({ jsons }, i) => jsons[0] === String(i) && jsons[1] === String(-i))).toBe(true);
    });
  });

  describe("rejects at the start", () => {
    async function failed(start: () => Promise<unknown>, code: string, message: RegExp): Promise<void> {
      const error: unknown = await start().then(
        () => undefined,
        (reason: unknown) => reason,
      );
      expect(error).toMatchObject({ name: "CometError", code });
      expect((error as Error).message).toMatch(message);
    }

    const open = (url: string, options: Options = {}): Promise<unknown> => join(options, url);

    test("if there is no server", async () => {
      await failed(async () => open(`redis://127.0.0.1:${await freePort()}`), "ERR_BROKER", /ECONNREFUSED/);
    });

    test("if the server does not answer", async () => {
      const proxy = await startProxy();
      proxy.stall();
      const start = (): Promise<unknown> => open(`redis://127.0.0.1:${proxy.port}`, { connectTimeoutMs: 300 });
      await failed(start, "ERR_BROKER", /within 300 ms/);
      proxy.resume();
      await until(() => proxy.connections === 0);
    });

    test("if the server is not Redis", async () => {
      const other = createServer((socket) => {
        socket.on("error", () => undefined).once("data", () => socket.end("HTTP/1.1 400 Bad Request\r\n\r\n"));
      }).listen(0, "127.0.0.1");
      closing.push(() => other.close());
      await sleep(10);
      const { port } = other.address() as AddressInfo;
      await failed(() => open(`redis://127.0.0.1:${port}`, { connectTimeoutMs: 500 }), "ERR_BROKER", /./);
    });

    test("if the password is wrong, missing or needless", async () => {
      const other = await startOther({ password: "right" });
      const at = `127.0.0.1:${other.port}`;
      await failed(() => open(`redis://:wrong@${at}`), "ERR_BROKER_CONFIG", /WRONGPASS/);
      await failed(() => open(`redis://${at}`), "ERR_BROKER_CONFIG", /NOAUTH/);
      await open(other.url);
      const protocol2 = createClient({ url: `redis://:wrong@${at}`, RESP: 2 });
      await failed(() => redisBroker({ client: protocol2 }), "ERR_BROKER_CONFIG", /WRONGPASS/);
      const needless = createClient({ url: `redis://:none@127.0.0.1:${server.port}`, RESP: 2 });
      await failed(() => redisBroker({ client: needless }), "ERR_BROKER_CONFIG", /without any password/);
    });

    /** The commands that docs/brokers.md lists for a user. */
    const documented = readFileSync("docs/brokers.md", "utf8")
      .split("```")
      .filter((block) => block.includes("ACL SETUSER"))
      .flatMap((block) => block.match(/\+[a-z|]+/g) ?? []);
    /** Those of them without which a hub starts, but does not check the client or the server. */
    const optional = ["+client", "+info"];

    test("if the user lacks a command that the guide lists, and names it", async () => {
      const other = await startOther();
      const url = `redis://hub:secret@127.0.0.1:${other.port}`;
      const user = ["on", ">secret", "~comet*", "&comet*"];
      expect(documented.length).toBeGreaterThan(20);
      for (const lack of documented) {
        const commands = documented.filter((command) => command !== lack);
        await other.cli("ACL", "SETUSER", "hub", "reset", ...user, ...commands);
        const name = lack.slice(1).replace("|", "\\|");
        if (optional.includes(lack)) await open(url);
        else await failed(() => open(url), "ERR_BROKER_CONFIG", new RegExp(`\\b${name}\\b`, "i"));
      }
    });

    test("never for a user with the commands that the guide lists, who may do all that a hub does", async () => {
      const other = await startOther();
      await other.cli("ACL", "SETUSER", "hub", "on", ">secret", "~comet*", "&comet*", ...documented);
      const url = `redis://hub:secret@127.0.0.1:${other.port}`;
      const [a, b] = [await join({ heartbeatMs: 100 }, url), await join({ topicTtlMs: 1000 }, url)];
      const ear = await b.listen("t");
      const bounds = { maxEntries: 10, maxBytes: 1024, maxAgeMs: 60_000 };
      for (let i = 0; i < 20; i += 1) await a.publish("t", publication(String(i), { messageId: `m${i}` }), bounds);
      await until(() => ear.notices.length === 20);
      const { epoch, messages } = await b.read("t", 0, bounds);
      expect(messages).toHaveLength(10);
      a.signal("hello");
      await until(() => b.signals.length === 1);
      b.unlisten("t", ear);
      await a.renew("t", epoch);
      expect((await a.read("t")).epoch).not.toBe(epoch);
      // Entries of another program make a script write the log anew.
      const { offset } = await a.publish("t", "1");
      await other.cli("XADD", "comet:{t}:log", "*", "foo", "bar");
      expect((await a.publish("t", "2")).offset).toBe(offset + 1);
      // A topic that ends, of which a process extends the time to live.
      await b.listen("t");
      expect(await a.acquire("t", "fence")).toBe("acquired");
      await a.renewLease("t", "fence");
      await a.publish("t", ending("complete"), kept);
      expect(await b.settle("t")).toBeUndefined();
      await b.delete("t");
      await other.cli("HSET", "comet:{t}:meta", "life", "one", "ttl", "60000");
      const longer = performance.now() + 10_000;
      while (Number(await other.cli("PTTL", "comet:{t}:meta")) < DAY) {
        if (performance.now() > longer) expect.fail("the topic is not kept");
        await sleep(20);
      }
      const denied = (await other.cli("ACL", "LOG")).split("\n").filter((line) => line.trim() !== "");
      expect(denied).toEqual([]);
    });

    test("if the server may evict keys", async () => {
      const other = await startOther();
      const policies = ["allkeys-lru", "allkeys-lfu", "allkeys-random"];
      for (const policy of [
        ...policies,
        ...policies.map((each) => each.replace("allkeys", "volatile")),
        "volatile-ttl",
      ]) {
        await other.cli("CONFIG", "SET", "maxmemory-policy", policy);
        await failed(
          () => open(other.url),
          "ERR_BROKER_CONFIG",
          new RegExp(`maxmemory-policy is ${policy}.*noeviction`),
        );
      }
      await other.cli("CONFIG", "SET", "maxmemory-policy", "noeviction");
      await open(other.url);
    });

    test("if the client prefixes the names of keys", async () => {
      const client = fromIoredis(new Redis({ port: server.port, keyPrefix: "mine:", lazyConnect: true }));
      const message = /did not receive it: the client changes names.*keyPrefix.*option prefix/;
      await failed(() => redisBroker({ client, heartbeatMs: 100 }), "ERR_BROKER_CONFIG", message);
    });

    test("if the user lacks a permission", async () => {
      const other = await startOther();
      const all = ["on", ">secret", "~comet*", "&comet*", "+@all"];
      const url = `redis://hub:secret@127.0.0.1:${other.port}`;
      for (const lack of ["-evalsha", "-xadd", "-subscribe", "-publish", "resetchannels", "resetkeys"]) {
        await other.cli("ACL", "SETUSER", "hub", "reset", ...all, lack);
        await failed(() => open(url), "ERR_BROKER_CONFIG", /NOPERM|executing the script can't/);
      }
      await other.cli("ACL", "SETUSER", "hub", "reset", ...all);
      const a = await join({}, url);
      const ear = await a.listen("t");
      await a.publish("t", publication("1", { messageId: "m" }));
      expect((await a.read("t")).messages).toHaveLength(1);
      await until(() => ear.notices.length === 1);
    });

    test("if the key of the prefix is foreign", async () => {
      await server.cli("SET", "taken", "text");
      await failed(() => open(server.url, { prefix: "taken" }), "ERR_BROKER_CONFIG", /taken/);
      await server.cli("HSET", "taken2", "field", "value");
      await failed(() => open(server.url, { prefix: "taken2" }), "ERR_BROKER_CONFIG", /taken2/);
      await server.cli("HSET", "newer", "comet-sockets", "99");
      await failed(() => open(server.url, { prefix: "newer" }), "ERR_BROKER_CONFIG", /version.*99/);
    });

    test("if the server is a replica", async () => {
      const replica = await startOther({ settings: ["--replicaof", `127.0.0.1 ${server.port}`] });
      await failed(() => open(replica.url), "ERR_BROKER_CONFIG", /replica/);
    });

    test("if the server is too old", async () => {
      for (const [reply, message] of [
        [["server", "redis", "version", "6.0.16", "mode", "standalone", "role", "master"], /6\.0\.16.*6\.2/],
        [new Error("ERR unknown command `HELLO`, with args beginning with:"), /unknown command/],
      ] as const) {
        const old: RedisClient = {
          duplicate: () => old,
          on: () => undefined,
          connect: () => Promise.resolve(),
          sendCommand: () => (reply instanceof Error ? Promise.reject(reply) : Promise.resolve(reply)),
          subscribe: () => Promise.resolve(),
          unsubscribe: () => Promise.resolve(),
          destroy: () => undefined,
        };
        await failed(() => redisBroker({ client: old }), "ERR_BROKER_CONFIG", message);
      }
    });

    test("if the client is for a cluster and the server is not, or the reverse", async () => {
      const member = await startOther({
        settings: ["--cluster-enabled", "yes", "--cluster-port", String(await freePort())],
      });
      await failed(() => open(member.url), "ERR_BROKER_CONFIG", /createCluster/);
      const client = createCluster({ rootNodes: [{ url: server.url }] });
      await failed(() => redisBroker({ client }), "ERR_BROKER_CONFIG", /cluster support disabled/);
    });

    test("if an option is invalid", async () => {
      const client = createClient({ url: server.url });
      const wrong: [object, RegExp][] = [
        [{}, /client must be .*undefined/],
        [{ client: "redis://127.0.0.1" }, /client must be .*redis:/],
        [{ client: { duplicate: () => undefined } }, /without on, connect/],
        [{ client, prefix: "" }, /prefix/],
        [{ client, prefix: "{a}" }, /prefix/],
        [{ client, timeoutMs: 0 }, /timeoutMs/],
        [{ client, connectTimeoutMs: "1" }, /connectTimeoutMs/],
        [{ client, heartbeatMs: 1.5 }, /heartbeatMs/],
        [{ client, topicTtlMs: Infinity }, /topicTtlMs/],
        [{ client, maxPendingBytes: -1 }, /maxPendingBytes/],
      ];
      for (const [options, message] of wrong) {
        await failed(() => redisBroker(options), "ERR_OPTION", message);
      }
    });
  });

  describe("a later error of Redis", () => {
    test("names a key of a wrong type", async () => {
      const a = await join({ prefix: "types" });
      await server.cli("SET", "types:{log}:log", "text");
      await server.cli("SET", "types:{meta}:meta", "text");
      await server.cli("LPUSH", "types:{id}:id:m", "text");
      for (const kind of ["log", "meta", "id"]) {
        const key = `types:{${kind}}:${kind === "id" ? "id:m" : kind}`;
        const expected = { code: "ERR_BROKER_CONFIG", message: expect.stringContaining(key) as string };
        await expect(a.publish(kind, publication("1", { messageId: "m" }))).rejects.toMatchObject(expected);
        if (kind !== "id") await expect(a.read(kind)).rejects.toMatchObject(expected);
      }
      expect(await server.cli("GET", "types:{log}:log")).toBe("text");
      expect((await a.read("id")).head).toBe(0);
    });

    test("rejects publish and still reads when the server is out of memory", async () => {
      const other = await startOther({ settings: ["--maxmemory-policy", "noeviction"] });
      const a = await join({}, other.url);
      await a.publish("t", "1");
      await other.cli("CONFIG", "SET", "maxmemory", "1");
      await expect(a.publish("t", "2")).rejects.toMatchObject({
        code: "ERR_BROKER",
        message: expect.stringContaining("OOM") as string,
      });
      expect((await a.read("t")).messages.map(({ json }) => json)).toEqual(["1"]);
      await other.cli("CONFIG", "SET", "maxmemory", "0");
      expect((await a.publish("t", "3")).offset).toBe(2);
      expect(a.told).toEqual([]);
    });

    test("disconnects from a server that becomes a replica, and reconnects once it is a master", async () => {
      const other = await startOther();
      const a = await join({}, other.url);
      await a.publish("t", "1");
      await other.cli("REPLICAOF", "127.0.0.1", String(server.port));
      await expect(a.publish("t", "2")).rejects.toMatchObject({ code: "ERR_BROKER" });
      await until(() => a.told.length === 1);
      await other.cli("REPLICAOF", "NO", "ONE");
      await until(() => a.told.length === 2);
      await a.publish("t", "3");
      expect(a.told).toEqual(["lost", "restored"]);
    });
  });

  describe("a network that fails", () => {
    test("reports a cut connection as lost and restored once, and shows missed messages by the next notice", async () => {
      const proxy = await startProxy();
      // A call that waited for its time limit would outlast the test.
      const [a, b] = [await join({ timeoutMs: NEVER_MS }, `redis://127.0.0.1:${proxy.port}`), await join()];
      const topic = freshTopic("cut");
      const ear = await a.listen(topic);
      await b.publish(topic, '"before"');
      await until(() => ear.notices.length === 1);
      for (let round = 1; round <= 3; round += 1) {
        proxy.refuse();
        await until(() => a.told.length === round * 2 - 1);
        await expect(a.publish(topic, '"down"')).rejects.toMatchObject({ code: "ERR_BROKER" });
        await expect(a.read(topic)).rejects.toMatchObject({ code: "ERR_BROKER" });
        await expect(a.listen(freshTopic("down"))).rejects.toMatchObject({ code: "ERR_BROKER" });
        await b.publish(topic, '"missed"');
        await sleep(200);
        proxy.accept();
        await until(() => a.told.length === round * 2);
        await b.publish(topic, String(round));
        await until(() => ear.jsons.at(-1) === String(round));
        expect(ear.notices.at(-1)?.previous).toBe(2 * round);
      }
      expect((await a.readAll(topic)).messages).toHaveLength(7);
      expect(proxy.connections).toBe(2);
    });

    test("detects a silent connection by its heartbeats", async () => {
      const proxy = await startProxy();
      const a = await join({ heartbeatMs: 200, timeoutMs: NEVER_MS }, `redis://127.0.0.1:${proxy.port}`);
      await sleep(500);
      expect(a.told).toEqual([]);
      proxy.stall();
      const under = expect(a.publish(freshTopic("stalled"), "1")).rejects.toMatchObject({ code: "ERR_UNACKNOWLEDGED" });
      await until(() => a.told.length === 1);
      await under;
      await sleep(300);
      proxy.resume();
      await until(() => a.told.length === 2);
      await a.publish(freshTopic("resumed"), "1");
      await sleep(500);
      expect(a.told).toEqual(["lost", "restored"]);
    });

    test("tolerates a server that is busy for less than a heartbeat", async () => {
      const other = await startOther();
      const a = await join({ heartbeatMs: 600 }, other.url);
      for (let i = 0; i < 2; i += 1) {
        other.freeze();
        await sleep(400);
        other.thaw();
        await sleep(300);
      }
      expect(a.told).toEqual([]);
    });

    test("rejects a publish that is cut off with ERR_UNACKNOWLEDGED, and deduplicates its retry", async () => {
      const other = await startOther();
      const proxy = await startProxy(other.port);
      const a = await join({}, `redis://127.0.0.1:${proxy.port}`);
      const message = publication('"once"', { messageId: "once" });
      // The message arrives, and the reply does not.
      other.freeze();
      const published = expect(a.publish("t", message)).rejects.toMatchObject({ code: "ERR_UNACKNOWLEDGED" });
      await sleep(50);
      proxy.cut();
      await published;
      other.thaw();
      await until(() => a.told.length === 2);
      expect((await a.read("t")).messages.map(({ json }) => json)).toEqual(['"once"']);
      expect((await a.publish("t", message)).offset).toBe(1);
      // The message does not arrive.
      proxy.stall();
      const lost = expect(a.publish("t", publication('"two"', { messageId: "two" }))).rejects.toMatchObject({
        code: "ERR_UNACKNOWLEDGED",
      });
      await sleep(50);
      proxy.cut();
      await lost;
      proxy.resume();
      await until(() => a.told.length === 4);
      expect((await a.publish("t", publication('"two"', { messageId: "two" }))).offset).toBe(2);
      expect((await a.read("t")).messages.map(({ json }) => json)).toEqual(['"once"', '"two"']);
    });

    test("never waits longer than maxRetryMs before an attempt to reconnect", async () => {
      const other = await startOther();
      const a = await join({ maxRetryMs: 10 }, other.url);
      await other.kill();
      let attempts = 0;
      const trap = createServer((socket) => {
        attempts += 1;
        socket.on("error", () => undefined).destroy();
      }).listen(other.port, "127.0.0.1");
      closing.push(() => trap.close());
      // With the default, this number of connections would take a minute.
      await until(() => attempts >= 50);
      expect(a.told).toEqual(["lost"]);
      await new Promise((resolve) => trap.close(resolve));
      await other.start();
      await until(() => a.told.length === 2);
    });

    test("rejects a command that takes too long", async () => {
      const other = await startOther();
      const a = await join({ timeoutMs: 200, heartbeatMs: NEVER_MS }, other.url);
      other.freeze();
      const all = await Promise.allSettled([
        a.publish("t", "1"),
        a.read("t"),
        a.listen("t"),
        a.renew("t", "none"),
        a.publish("t", "2"),
        a.acquire("t", "fence"),
        a.renewLease("t", "fence"),
        a.settle("t"),
        a.delete("t"),
      ]);
      const codes = all.map((each) => (each.status === "rejected" ? (each.reason as { code: string }).code : ""));
      const [unknown, failed] = ["ERR_UNACKNOWLEDGED", "ERR_BROKER"];
      expect(codes).toEqual([unknown, failed, failed, failed, ...new Array<string>(5).fill(unknown)]);
      other.thaw();
    });

    test("rejects a publish beyond maxPendingBytes at once", async () => {
      const other = await startOther();
      const a = await join({ maxPendingBytes: 100_000 }, other.url);
      const json = JSON.stringify("x".repeat(9998));
      other.freeze();
      const all = Array.from({ length: 20 }, () => a.publish("t", json));
      const settled = all.map((each) =>
        each.then(
          () => "published",
          (error: unknown) => (error as { code: string }).code,
        ),
      );
      await sleep(20);
      other.thaw();
      const codes = await Promise.all(settled);
      expect(codes).toEqual([...new Array<string>(9).fill("published"), ...new Array<string>(11).fill("ERR_BROKER")]);
      expect((await a.read("t")).head).toBe(9);
      // One larger message is accepted when nothing is pending.
      await a.publish("t", JSON.stringify("x".repeat(200_000)));
    });

    test("loses no acknowledged message when the server is killed, and keeps the epoch", async () => {
      const other = await startOther({ persistent: true });
      const a = await join({}, other.url);
      const acknowledged = new Map<number, string>();
      let next = 0;
      let isOver = false;
      const work = async (): Promise<void> => {
        while (!isOver) {
          const json = String(next++);
          await a.publish("t", json).then(
            ({ offset }) => acknowledged.set(offset, json),
            () => sleep(5),
          );
        }
      };
      const workers = Array.from({ length: 20 }, work);
      for (let round = 1; round <= 3; round += 1) {
        const enough = acknowledged.size + 50;
        await until(() => acknowledged.size > enough);
        await other.kill();
        await other.start();
        await until(() => a.told.length === round * 2);
      }
      isOver = true;
      await Promise.all(workers);
      const { messages, floor, head } = await a.readAll("t");
      expect([floor, head]).toEqual([0, messages.length]);
      const held = new Map(messages.map(({ offset, json }) => [offset, json]));
      for (const [offset, json] of acknowledged) expect(held.get(offset)).toBe(json);
      expect(new Set(held.values()).size).toBe(held.size);
    });
  });

  describe("connections", () => {
    test("opens two connections for each broker, closes both, and leaves the application's own alone", async () => {
      const proxy = await startProxy();
      const url = `redis://127.0.0.1:${proxy.port}`;
      const own = createClient({ url });
      await own.connect();
      const brokers = [await redisBroker({ client: own }), await redisBroker({ client: own.duplicate() })];
      await until(() => proxy.connections === 5);
      for (const broker of brokers) await broker.close();
      await until(() => proxy.connections === 1);
      expect(await own.ping()).toBe("PONG");
      own.destroy();
    });

    test("stays closed when it is closed during an outage", async () => {
      const proxy = await startProxy();
      const a = await join({}, `redis://127.0.0.1:${proxy.port}`);
      for (const wait of [0, 30]) {
        const b = await join({}, `redis://127.0.0.1:${proxy.port}`);
        proxy.refuse();
        await until(() => b.told.length === 1);
        await sleep(wait);
        proxy.accept();
        await b.close();
        await until(() => a.told.at(-1) === "restored");
      }
      await sleep(200);
      expect(proxy.connections).toBe(2);
    });

    test("reports a loss before attach once it is attached", async () => {
      const proxy = await startProxy();
      const broker = await redisBroker({ client: createClient({ url: `redis://127.0.0.1:${proxy.port}` }) });
      proxy.refuse();
      await sleep(50);
      const process = new Process(broker);
      closing.push(() => process.close());
      await until(() => process.told.length === 1);
      proxy.accept();
      await until(() => process.told.length === 2);
      expect(process.told).toEqual(["lost", "restored"]);
    });
  });
});

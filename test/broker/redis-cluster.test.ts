import { Cluster, Redis } from "ioredis";
import { createClient, createCluster } from "redis";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { fromIoredisCluster } from "../../examples/guides/ioredis-cluster.ts";
import { fromIoredis } from "../../examples/guides/ioredis.ts";
import {
  redisBroker,
  type RedisBrokerOptions,
  type RedisClient,
  type RedisClusterClient,
} from "../../src/brokers/redis/index.ts";
import { hashSlot, hashTagPerOwner } from "../../src/brokers/redis/hash-slot.ts";
import type { Broker } from "../../src/log/broker.ts";
import { startRedisCluster, type RedisCluster, type RedisServer } from "../support/redis.ts";
import { expectCode, until } from "../support/sources.ts";
import { listenContract } from "./contract-listen.ts";
import { messageIdContract } from "./contract-message-ids.ts";
import { brokerContract, type BrokerWorld } from "./contract.ts";
import { freshTopic, inFlight, Process } from "./contract-world.ts";
import { NEVER_MS, patient } from "./server-world.ts";

/** The ways to a cluster. */
const ways: readonly (readonly [string, (cluster: RedisCluster) => RedisClusterClient])[] = [
  ["redis", ({ servers }) => createCluster({ rootNodes: servers.map(({ url }) => ({ url })) })],
  ["ioredis", (cluster) => fromIoredisCluster(ioredisCluster(cluster))],
];

function ioredisCluster({ servers }: RedisCluster): Cluster {
  const nodes = servers.map(({ port }) => ({ host: "127.0.0.1", port }));
  return new Cluster(nodes, { lazyConnect: true });
}

const closing: (() => unknown)[] = [];
let cluster: RedisCluster;

beforeAll(async () => {
  cluster = await startRedisCluster({ persistent: true });
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});
afterAll(() => cluster.close());

/** A world on the cluster of these tests. */
function clusterWorld(client: (cluster: RedisCluster) => RedisClusterClient): BrokerWorld {
  const brokers: Broker[] = [];
  return {
    connect: async () => {
      const broker = await redisBroker({ client: client(cluster), ...patient });
      brokers.push(broker);
      return broker;
    },
    close: async () => {
      for (const broker of brokers) await broker.close();
    },
  };
}

brokerContract(
  "redis cluster",
  () => Promise.resolve(clusterWorld(ways[0]?.[1] as (cluster: RedisCluster) => RedisClusterClient)),
  { hasServer: false, keepsFinite: true },
);

describe.each(ways.slice(1))("a part of the contract, on a cluster by %s", (_, client) => {
  const open = (): Promise<BrokerWorld> => Promise.resolve(clusterWorld(client));
  describe("listening", () => listenContract(open));
  describe("message ids", () => messageIdContract(open));
});

describe.each(ways)("the Redis broker on a cluster, by %s", (_, client) => {
  async function join(options: Omit<RedisBrokerOptions, "client"> = {}): Promise<Process> {
    const process = new Process(await redisBroker({ client: client(cluster), ...patient, ...options }));
    closing.push(() => expect(process.faults).toEqual([]));
    closing.push(() => process.close());
    return process;
  }

  /** Topics on all servers. */
  const someTopics = (): string[] => Array.from({ length: 30 }, (_, i) => freshTopic(String(i)));

  test("spreads topics and notices over the servers, with two connections to each", async () => {
    const [a, b] = [await join(), await join()];
    const topics = someTopics();
    const ears = await inFlight(topics.length, 30, (i) => b.listen(topics[i] as string));
    for (const topic of topics) await a.publish(topic, JSON.stringify(topic));
    await until(() => ears.every(({ notices }) => notices.length === 1));
    expect(ears.map(({ jsons }) => jsons[0])).toEqual(topics.map((topic) => JSON.stringify(topic)));
    for (const server of cluster.servers) {
      expect((await server.cli("KEYS", "comet:{*}:log")).split("\n").length).toBeGreaterThan(2);
      expect((await server.cli("PUBSUB", "SHARDCHANNELS", "*:live")).split("\n").length).toBeGreaterThan(2);
      expect(await server.cli("PUBSUB", "CHANNELS")).toBe("");
      // A client may ask for the slots over a third connection for a moment.
      const connections = async (): Promise<number[]> => {
        const [normal = "", subscribed = ""] = await Promise.all(
          ["normal", "pubsub"].map((type) => server.cli("CLIENT", "LIST", "TYPE", type)),
        );
        const clients = normal.split("\n").filter((line) => !line.includes("cmd=client"));
        return [clients.length, subscribed.split("\n").length];
      };
      await expect.poll(connections, { timeout: 30_000 }).toEqual([2, 2]);
    }
  });

  test("detects a silent server, and continues when it answers again", async () => {
    const a = await join({ heartbeatMs: 200, timeoutMs: NEVER_MS });
    const topics = someTopics();
    const ears = await inFlight(topics.length, 30, (i) => a.listen(topics[i] as string));
    for (const server of cluster.servers) {
      const before = a.told.length;
      server.freeze();
      await until(() => a.told.length === before + 1);
      await expect(a.publish(topics[0] as string, "1")).rejects.toMatchObject({ code: "ERR_BROKER" });
      server.thaw();
      await until(() => a.told.length === before + 2);
    }
    await inFlight(topics.length, 30, (i) => a.publish(topics[i] as string, String(i)));
    await until(() => ears.every(({ notices }) => notices.length === 1));
  });

  test("reports lost and restored when a server is killed, and loses no acknowledged message", async () => {
    const a = await join({ heartbeatMs: 3000, connectTimeoutMs: 6000 });
    const topics = someTopics();
    const ears = await inFlight(topics.length, 30, (i) => a.listen(topics[i] as string));
    await inFlight(topics.length, 30, (i) => a.publish(topics[i] as string, '"before"'));
    const [server] = cluster.servers as [(typeof cluster.servers)[0]];
    await server.kill();
    await until(() => a.told.length === 1);
    await server.start();
    await until(() => a.told.length === 2);
    await inFlight(topics.length, 30, (i) => a.publish(topics[i] as string, '"after"'));
    await until(() => ears.every(({ notices }) => notices.length === 2));
    for (const topic of topics) {
      expect((await a.read(topic)).messages.map(({ json }) => json)).toEqual(['"before"', '"after"']);
    }
    expect(a.told).toEqual(["lost", "restored"]);
  });

  test("follows a slot to another server, and has its listeners read again", async () => {
    const [a, b] = [await join({ heartbeatMs: 1000 }), await join({ heartbeatMs: 1000 })];
    const topic = freshTopic("moves");
    const { epoch } = await a.publish(topic, "1");
    const ear = await b.listen(topic);
    await moveSlot(topic);
    await until(() => b.told.length === 2);
    expect(b.told).toEqual(["lost", "restored"]);
    // The process that only publishes learns of it by a redirection.
    await until(() => a.told.length !== 1);
    const position = await b.publish(topic, "2");
    expect(position).toEqual({ epoch, offset: 2 });
    await until(() => ear.jsons.includes("2"));
    expect((await a.read(topic)).messages.map(({ json }) => json)).toEqual(["1", "2"]);
  });

  /** Moves the slot of a topic from the server that has it to another. */
  async function moveSlot(topic: string): Promise<void> {
    const key = `comet:{${topic}}:log`;
    const ids = await Promise.all(cluster.servers.map((server) => server.cli("CLUSTER", "MYID")));
    const holds = await Promise.all(cluster.servers.map((server) => server.cli("EXISTS", key)));
    const from = holds.indexOf("1");
    const to = (from + 1) % 3;
    const [source, target] = [cluster.servers[from], cluster.servers[to]] as [RedisServer, RedisServer];
    const slot = await source.cli("CLUSTER", "KEYSLOT", key);
    await target.cli("CLUSTER", "SETSLOT", slot, "IMPORTING", ids[from] as string);
    await source.cli("CLUSTER", "SETSLOT", slot, "MIGRATING", ids[to] as string);
    const keys = (await source.cli("CLUSTER", "GETKEYSINSLOT", slot, "100")).split("\n");
    await source.cli("MIGRATE", "127.0.0.1", String(target.port), "", "0", "5000", "KEYS", ...keys);
    for (const server of [target, source]) await server.cli("CLUSTER", "SETSLOT", slot, "NODE", ids[to] as string);
  }
});

test("the broker computes the slots that Redis computes", async () => {
  for (const tag of ["0", "1", "123456789", "foo", "user1000.following"]) {
    expect(String(hashSlot(tag))).toBe(await cluster.servers[0]?.cli("CLUSTER", "KEYSLOT", tag));
  }
  const owners = Array.from({ length: 16_384 }, (_, slot) => (slot < 5 ? "few" : slot % 2 === 0 ? "even" : "odd"));
  const tags = hashTagPerOwner(owners);
  expect(tags.map((tag) => owners[hashSlot(tag)]).sort()).toEqual(["even", "few", "odd"]);
});

describe("a client", () => {
  test("of a cluster is refused unless it is made by createCluster or the adapter", async () => {
    const message = /must be made by createCluster of the package redis, or by the adapter/;
    const needsAdapter = /is a Cluster of ioredis, which needs the adapter/;
    const bare = ioredisCluster(cluster);
    closing.push(() => bare.disconnect());
    await expectCode("ERR_OPTION", () => redisBroker({ client: bare as never }), needsAdapter);
    await expectCode("ERR_BROKER_CONFIG", () => redisBroker({ client: adapted(bare) }), message);
    const client = createClient({ url: cluster.servers[0]?.url ?? "" });
    await expectCode("ERR_BROKER_CONFIG", () => redisBroker({ client }), message);
  });

  /** The adapter for a server, made to fit a cluster. */
  function adapted(client: Cluster): RedisClient {
    const shim = fromIoredis(client as unknown as Redis);
    return {
      ...shim,
      duplicate: () => {
        const copy = ioredisCluster(cluster);
        closing.push(() => copy.disconnect());
        return adapted(copy);
      },
    };
  }

  test("of ioredis needs an adapter, which the error names", async () => {
    const client = new Redis({ lazyConnect: true }) as never;
    await expectCode("ERR_OPTION", () => redisBroker({ client }), /not one without destroy\..*adapter for ioredis/);
  });
});

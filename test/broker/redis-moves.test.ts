import { setTimeout as sleep } from "node:timers/promises";
import { Cluster, Redis } from "ioredis";
import { createClient, createCluster, createSentinel } from "redis";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import { redisBroker, type RedisClient } from "../../src/brokers/redis/index.ts";
import { followHub, notedHub, type Follower } from "../support/hub.ts";
import { fromIoredis } from "../support/ioredis-shim.ts";
import { startRedisCluster, startRedisSentinel, type RedisCluster, type RedisSentinel } from "../support/redis.ts";
import { sentinelClient } from "../support/sentinel-client.ts";
import { expectCode, until } from "../support/sources.ts";

type NodeClient = RedisClient & { duplicate(): NodeClient };

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

describe("a client that moves its connections by itself", () => {
  let sentinel: RedisSentinel;
  beforeAll(async () => {
    sentinel = await startRedisSentinel();
  });
  afterAll(() => sentinel.close());

  const nodeSentinel = (): ReturnType<typeof createSentinel> =>
    createSentinel({ name: sentinel.name, sentinelRootNodes: [{ host: "127.0.0.1", port: sentinel.port }] });

  /** The adapter of a few lines that an application may write. */
  function wrapped(client: ReturnType<typeof createSentinel>): RedisClient {
    return {
      duplicate: () => wrapped(client.duplicate()),
      on: (event, listener) => client.on(event, listener),
      connect: () => client.connect(),
      sendCommand: (args) => client.sendCommand(false, args),
      subscribe: (channels, listener) => client.subscribe(channels, listener),
      unsubscribe: (channels, listener) => client.unsubscribe(channels, listener),
      destroy: () => void client.destroy(),
    };
  }

  test("is refused if it is made by createSentinel", async () => {
    const client = nodeSentinel() as unknown as RedisClient;
    await expectCode("ERR_OPTION", () => redisBroker({ client }), /^client must not be made by createSentinel: .*docs/);
  });

  test("is refused if an adapter hides that it is made by createSentinel", async () => {
    const message = /^The client has moved its connection to another server by itself, .*docs\/brokers\.md/;
    await expectCode("ERR_BROKER_CONFIG", () => redisBroker({ client: wrapped(nodeSentinel()) }), message);
  });

  test("is lost at a heartbeat if the user may not close connections", async () => {
    const [current] = sentinel.servers;
    if (current === undefined) return expect.fail("there is no server");
    const client = createClient({ url: current.url });
    closing.push(() => client.destroy());
    await client.connect();
    const moving = movable(client);
    const broker = await redisBroker({ client: moving.client, heartbeatMs: 50 });
    closing.push(() => broker.close());
    const losses: unknown[] = [];
    broker.attach({
      lost: (error) => losses.push(error),
      restored: () => undefined,
      signalled: () => undefined,
      ignored: () => undefined,
    });
    moving.move();
    await until(() => losses.length === 1);
    expect(losses[0]).toMatchObject({
      code: "ERR_BROKER_CONFIG",
      message: expect.stringContaining("has moved its connection") as string,
    });
  });

  /** A client whose user may not run CLIENT, and which answers from another connection once it is moved. */
  function movable(other: NodeClient): {
    readonly client: RedisClient;
    readonly move: () => void;
  } {
    let isMoved = false;
    const adapt = (client: NodeClient): RedisClient => ({
      duplicate: () => adapt(client.duplicate()),
      on: (event, listener) => client.on(event, listener),
      connect: () => client.connect(),
      sendCommand: (args) =>
        args[0] === "CLIENT"
          ? Promise.reject(new Error("NOPERM User hub has no permissions to run the 'client' command"))
          : (isMoved ? other : client).sendCommand(args),
      subscribe: (channels, listener) => client.subscribe(channels, listener),
      unsubscribe: (channels, listener) => client.unsubscribe(channels, listener),
      destroy: () => client.destroy(),
    });
    return { client: adapt(other), move: () => (isMoved = true) };
  }
});

describe("a planned fail-over by sentinels", () => {
  const clients: readonly (readonly [string, (sentinel: RedisSentinel) => RedisClient])[] = [
    [
      "a client that asks the sentinels at each connect",
      ({ name, port }) => sentinelClient({ name, sentinels: [{ host: "127.0.0.1", port }] }),
    ],
    [
      "ioredis",
      ({ name, port }) =>
        fromIoredis(new Redis({ name, sentinels: [{ host: "127.0.0.1", port }], lazyConnect: true, role: "master" })),
    ],
  ];

  test.each(clients)("loses no acknowledged message without a gap, by %s", async (_, make) => {
    const sentinel = await startRedisSentinel();
    closing.push(() => sentinel.close());
    const open = () => redisBroker({ client: make(sentinel), maxRetryMs: 200 });
    const publisher = notedHub({ broker: await open() });
    const reader = notedHub({ broker: await open() });
    const follower = await (await followHub(reader.hub, "topic=t&from=oldest")).begun();
    const acknowledged: number[] = [];
    let [next, isOver] = [0, false];
    closing.push(() => (isOver = true));
    const publishing = Array.from({ length: 10 }, async () => {
      while (!isOver) {
        const data = (next += 1);
        await publisher.hub
          .topic("t")
          .publish(data)
          .then(
            () => acknowledged.push(data),
            () => undefined,
          );
        await sleep(5);
      }
    });
    for (let round = 1; round <= 2; round += 1) {
      const before = acknowledged.length;
      await until(() => acknowledged.length > before + 200, 10_000);
      await sentinel.failOver();
      await until(() => reader.errors.length >= round, 10_000);
      const after = acknowledged.length;
      await until(() => acknowledged.length > after + 200, 30_000);
    }
    isOver = true;
    await Promise.all(publishing);
    const last = (next += 1);
    await publisher.hub.topic("t").publish(last);
    await until(() => follower.data.at(-1) === last, 10_000);
    expect(untold(follower, acknowledged)).toEqual([]);
    expect(new Set(follower.data).size).toBe(follower.data.length);
    expect(follower.data.toSorted((one, other) => Number(one) - Number(other))).toEqual(follower.data);
    expect(new Set(follower.data).size).toBe(follower.data.length);
  });

  /** The acknowledged messages that a subscriber lacks without a gap in their place. Messages are numbered in the order of publishing. */
  function untold({ items }: Follower, acknowledged: readonly number[]): number[] {
    const lost: number[] = [];
    const wanted = acknowledged.toSorted((one, other) => one - other);
    let isGap = false;
    for (const item of items) {
      if (item.type === "gap") isGap = true;
      if (item.type !== "message") continue;
      while (wanted[0] !== undefined && wanted[0] < (item.data as number)) {
        const [missing] = wanted.splice(0, 1) as [number];
        if (!isGap) lost.push(missing);
      }
      if (wanted[0] === item.data) wanted.shift();
      isGap = false;
    }
    return [...lost, ...wanted];
  }
});

describe("clients of other kinds", () => {
  let cluster: RedisCluster;
  beforeAll(async () => {
    cluster = await startRedisCluster();
  });
  afterAll(() => cluster.close());

  function ioredisCluster(): Cluster {
    const nodes = cluster.servers.map(({ port }) => ({ host: "127.0.0.1", port }));
    const client = new Cluster(nodes, { lazyConnect: true });
    closing.push(() => client.disconnect());
    return client;
  }

  test("of a cluster are refused unless they are made by createCluster", async () => {
    const message = /must be made by createCluster of the package redis/;
    await expectCode("ERR_OPTION", () => redisBroker({ client: ioredisCluster() as never }), message);
    await expectCode("ERR_BROKER_CONFIG", () => redisBroker({ client: adapted(ioredisCluster()) }), message);
    const [server] = cluster.servers;
    const client = createClient({ url: server?.url ?? "" });
    await expectCode("ERR_BROKER_CONFIG", () => redisBroker({ client }), message);
    const broker = await redisBroker({
      client: createCluster({ rootNodes: cluster.servers.map(({ url }) => ({ url })) }),
    });
    await broker.close();
  });

  /** The shim for ioredis, made to fit its cluster client. */
  function adapted(client: Cluster): RedisClient {
    const shim = fromIoredis(client as unknown as Redis);
    return { ...shim, duplicate: () => adapted(ioredisCluster()) };
  }

  test("need an adapter, which the error names", async () => {
    const client = new Redis({ lazyConnect: true }) as never;
    await expectCode("ERR_OPTION", () => redisBroker({ client }), /not one without destroy\..*adapter for ioredis/);
  });
});

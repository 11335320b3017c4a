import { createClient } from "redis";
import { afterEach, describe, expect, test } from "vitest";
import { natsBroker } from "../../src/brokers/nats/index.ts";
import { redisBroker } from "../../src/brokers/redis/index.ts";
import type { Broker } from "../../src/log/broker.ts";
import { followHub, notedHub } from "../support/hub.ts";
import { startNats } from "../support/nats.ts";
import { startRedis } from "../support/redis.ts";
import { until } from "../support/sources.ts";

const closing: (() => unknown)[] = [];
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});

/** A server that does not store messages for a time. */
interface Limited {
  connect(): Promise<Broker>;
  limit(): Promise<unknown>;
  /** Absent if the server cannot be made to store again without a restart. */
  lift?(): Promise<unknown>;
}

async function redisOutOfMemory(): Promise<Limited> {
  const server = await startRedis();
  closing.push(() => server.close());
  return {
    connect: () => redisBroker({ client: createClient({ url: server.url }), maxRetryMs: 100 }),
    limit: () => server.cli("CONFIG", "SET", "maxmemory", "1"),
    lift: () => server.cli("CONFIG", "SET", "maxmemory", "0"),
  };
}

async function redisReadOnly(): Promise<Limited> {
  const [server, master] = [await startRedis(), await startRedis()];
  closing.push(
    () => server.close(),
    () => master.close(),
  );
  return {
    connect: () => redisBroker({ client: createClient({ url: server.url }), maxRetryMs: 100 }),
    // The master does not have this port, so that the replica keeps its data.
    limit: async () => {
      await master.kill();
      await server.cli("REPLICAOF", "127.0.0.1", String(master.port));
    },
    lift: () => server.cli("REPLICAOF", "NO", "ONE"),
  };
}

async function natsOutOfStorage(): Promise<Limited> {
  const server = await startNats({
    configuration: "accounts { a { jetstream { max_file: 2MB }, users: [{ user: a, password: a }] } }",
  });
  closing.push(() => server.close());
  const connection = { servers: `127.0.0.1:${server.port}`, user: "a", pass: "a" };
  const filler = await natsBroker({ connection });
  closing.push(() => filler.close());
  const bounds = { maxEntries: 4096, maxBytes: 2 ** 30, maxAgeMs: 300_000 };
  const json = JSON.stringify("x".repeat(100_000));
  const large = { json, bytes: json.length, event: undefined, key: undefined, messageId: undefined };
  return {
    connect: () => natsBroker({ connection }),
    limit: async () => {
      for (;;) {
        try {
          await filler.publish("filler", large, bounds);
        } catch {
          break;
        }
      }
      // Small messages may still fit.
      for (let failures = 0; failures < 20;) {
        await filler.publish("filler", { ...large, json: "1", bytes: 1 }, bounds).catch(() => (failures += 1));
      }
    },
  };
}

describe.each([
  ["Redis that is out of memory", redisOutOfMemory],
  ["Redis that becomes a read-only replica", redisReadOnly],
  ["NATS that is out of storage", natsOutOfStorage],
])("%s", (_, start) => {
  test("rejects publishes with a code, and neither loses nor doubles an acknowledged message", async () => {
    const server = await start();
    const publisher = notedHub({ broker: await server.connect() });
    const reader = notedHub({ broker: await server.connect() });
    const follower = await (await followHub(reader.hub, "topic=t&from=oldest")).begun();
    const acknowledged: number[] = [];
    const codes: string[] = [];
    let next = 0;
    const publishSome = async (): Promise<void> => {
      for (let i = 0; i < 20; i += 1) {
        const data = (next += 1);
        await publisher.hub
          .topic("t")
          .publish(data)
          .then(
            () => acknowledged.push(data),
            (error: unknown) => codes.push((error as { code: string }).code),
          );
      }
    };
    await publishSome();
    expect([acknowledged.length, codes]).toEqual([20, []]);
    await server.limit();
    await publishSome();
    expect(codes.length).toBeGreaterThan(0);
    expect(new Set(codes)).toEqual(new Set(["ERR_BROKER"]));
    expect(follower.over).toBe(false);
    if (server.lift !== undefined) {
      await server.lift();
      const before = acknowledged.length;
      await untilAsync(async () => {
        await publishSome();
        return acknowledged.length > before;
      });
    }
    await until(() => follower.data.length >= acknowledged.length);
    expect(follower.data).toEqual(acknowledged);
    expect(follower.items.filter(({ type }) => type === "gap")).toEqual([]);
  });
});

async function untilAsync(condition: () => Promise<boolean>): Promise<void> {
  const end = performance.now() + 20_000;
  while (!(await condition())) {
    if (performance.now() > end) expect.fail("not within 20,000 ms");
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
}

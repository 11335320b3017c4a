import { createClient } from "redis";
import { afterAll, describe, expect, test } from "vitest";
import { MemoryBrokers } from "../../src/brokers/memory/memory-brokers.ts";
import { natsBroker } from "../../src/brokers/nats/index.ts";
import { postgresBroker } from "../../src/brokers/postgres/index.ts";
import { redisBroker } from "../../src/brokers/redis/index.ts";
import { Hub, type CometError } from "../../src/index.ts";
import type { Broker } from "../../src/log/broker.ts";
import { Random, seedOfRun } from "../soak/support/random.ts";
import { startNats } from "../support/nats.ts";
import { startPostgres } from "../support/postgres.ts";
import { startRedis } from "../support/redis.ts";
import { sqliteFolder } from "../support/sqlite.ts";
import { SharedFiniteWorld } from "../support/shared-finite-world.ts";
import { patient } from "./server-world.ts";

// `SEED` repeats the steps of a run. Their timing remains the server's.
const random = new Random(seedOfRun());
const closers: (() => unknown)[] = [];

afterAll(async () => {
  for (const close of closers.reverse()) await close();
});

/** Starts a broker's server. Returns what joins a process to it. */
type Start = () => Promise<() => Broker | Promise<Broker>>;

const startMemory: Start = () => {
  const memory = new MemoryBrokers();
  return Promise.resolve(() => memory.join());
};
const startSqlite: Start = () => {
  const file = sqliteFolder();
  closers.push(() => file.close());
  return Promise.resolve(() => file.open());
};
const startRedisServer: Start = async () => {
  const server = await startRedis();
  closers.push(() => server.close());
  return () => redisBroker({ client: createClient({ url: server.url }), ...patient });
};
const startNatsServer: Start = async () => {
  const server = await startNats();
  closers.push(() => server.close());
  return () => natsBroker({ connection: { servers: `127.0.0.1:${server.port}` }, ...patient });
};
const startPostgresServer: Start = async () => {
  const server = await startPostgres();
  closers.push(() => server.close());
  return () => postgresBroker({ pool: server.pool(), ...patient });
};

describe.each([
  ["memory", startMemory, 60],
  ["sqlite", startSqlite, 30],
  ["redis", startRedisServer, 15],
  ["nats", startNatsServer, 15],
  ["postgres", startPostgresServer, 15],
] as const)("three hubs on %s", (_, start, sequences) => {
  test("give every reader each life of a topic in order, with its outcome or a notice of its loss", async () => {
    const join = await start();
    const errors: CometError[] = [];
    const hubs: Hub[] = [];
    for (let i = 0; i < 3; i += 1) {
      const hub = new Hub({
        broker: await join(),
        topics: () => ({ finite: true, ttlMs: 200_000 }),
        onError: (error) => void errors.push(error as CometError),
      });
      closers.push(() => hub.close({ drainMs: 0 }));
      hubs.push(hub);
    }
    const total = { lives: 0, ends: 0, refusals: 0 };
    for (let i = 0; i < sequences; i += 1) {
      const own = random.fork();
      const world = new SharedFiniteWorld(hubs, own, `t${i}`);
      const count = own.whole(10, 25);
      try {
        for (let step = 0; step < count; step += 1) await world.step();
        await world.finish();
      } catch (error) {
        world.faults.push(String(error));
      }
      for (const reader of world.readers) reader.cut();
      expect(world.faults, `${world.topic}: ${world.steps.join(", ")}`).toEqual([]);
      for (const name of ["lives", "ends", "refusals"] as const) total[name] += world.counts[name];
    }
    const unexpected = errors.filter(({ code }) => !["ERR_FAILED", "ERR_PRODUCER_LOST"].includes(code));
    expect(unexpected).toEqual([]);
    // Otherwise the test covers nothing.
    expect(total.lives).toBeGreaterThan(sequences * 1.5);
    expect(total.ends).toBeGreaterThan(sequences * 3);
    console.log(JSON.stringify(total));
  });
});

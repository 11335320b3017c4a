import { setTimeout as sleep } from "node:timers/promises";
import { redisBroker, type RedisClient } from "../../src/brokers/redis/index.ts";
import type { Broker } from "../../src/log/broker.ts";
import type { RedisServer } from "../support/redis.ts";
import type { BrokerWorld } from "./contract.ts";

/** A server for the contract suite, which is killed where the suite wants it away. */
export function redisWorld(server: RedisServer, makeClient: (url: string) => RedisClient): BrokerWorld {
  const brokers: Broker[] = [];
  return {
    connect: async () => {
      const broker = await redisBroker({ client: makeClient(server.url) });
      brokers.push(broker);
      return broker;
    },
    restart: async (downMs) => {
      await server.kill();
      await sleep(downMs);
      await server.start();
    },
    close: async () => {
      for (const broker of brokers) await broker.close();
      await server.close();
    },
  };
}

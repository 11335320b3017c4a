import { createClient } from "redis";
import { redisBroker } from "../../src/brokers/redis/index.ts";
import { Hub } from "../../src/index.ts";
import { testConformance } from "../support/durable-conformance.ts";
import { startRedis, type RedisServer } from "../support/redis.ts";

let server: RedisServer | undefined;

testConformance(
  async () => {
    server = await startRedis();
    return new Hub({ broker: await redisBroker({ client: createClient({ url: server.url }) }), pollMs: 2000 });
  },
  () => server?.close(),
);

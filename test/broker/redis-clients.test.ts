import { Redis } from "ioredis";
import { createClient } from "redis";
import { redisBroker } from "../../src/brokers/redis/index.ts";
import { fromIoredis } from "../../examples/guides/ioredis.ts";
import { startRedis } from "../support/redis.ts";
import { brokerContract } from "./contract.ts";
import { serverWorld } from "./server-world.ts";

const password = "of ioredis";

brokerContract(
  "redis by ioredis",
  async () =>
    serverWorld(await startRedis({ persistent: true, password }), (port) =>
      redisBroker({ client: fromIoredis(new Redis({ host: "127.0.0.1", port, password, lazyConnect: true })) }),
    ),
  { keepsFinite: true },
);

brokerContract(
  "redis by its older protocol",
  async () =>
    serverWorld(await startRedis(), (port) =>
      redisBroker({ client: createClient({ url: `redis://127.0.0.1:${port}`, RESP: 2 }) }),
    ),
  { hasServer: false, keepsFinite: true },
);

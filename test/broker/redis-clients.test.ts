import { Redis } from "ioredis";
import { createClient } from "redis";
import { fromIoredis } from "../support/ioredis-shim.ts";
import { startRedis } from "../support/redis.ts";
import { brokerContract } from "./contract.ts";
import { redisWorld } from "./redis-world.ts";

brokerContract("redis by ioredis", async () =>
  redisWorld(await startRedis({ persistent: true, password: "of ioredis" }), (url) =>
    fromIoredis(new Redis(url, { lazyConnect: true })),
  ),
);

brokerContract(
  "redis by its older protocol",
  async () => redisWorld(await startRedis(), (url) => createClient({ url, RESP: 2 })),
  { hasServer: false },
);

import type { Broker } from "../../log/broker.ts";
import { RedisBroker } from "./broker.ts";
import { checkOptions, type RedisBrokerOptions } from "./options.ts";

export type { RedisClient, RedisClusterClient, RedisListener, RedisOverrides } from "./client.ts";
export type { RedisBrokerOptions } from "./options.ts";

/**
 * Connects to Redis, from 6.2, or Valkey, so that hubs in several processes share their topics, and checks that everything is as it
 * must be. What is wrong later is told by what fails: the broker comes back by itself.
 *
 * ```ts
 * import { createClient } from "redis";
 * import { redisBroker } from "comet-sockets/redis";
 *
 * const hub = new Hub({ broker: await redisBroker({ client: createClient({ url: "redis://127.0.0.1:6379" }) }) });
 * ```
 *
 * What a message survives is for the server's settings to say: `appendonly`, `appendfsync`, and a `maxmemory-policy` that evicts nothing.
 *
 * @returns A broker for one hub, which closes it.
 * @throws {CometError} `ERR_OPTION`; `ERR_BROKER` if the server cannot be reached; `ERR_BROKER_CONFIG` if it refuses the client, is too
 *   old, or holds something else under the prefix.
 */
export async function redisBroker(options: RedisBrokerOptions): Promise<Broker> {
  return RedisBroker.open(checkOptions(options));
}

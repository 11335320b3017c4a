import type { Broker } from "../../log/broker.ts";
import { checkRedisOptions, type RedisBrokerOptions } from "./redis-broker-options.ts";
import { RedisBroker } from "./redis-broker.ts";

export type { NetworkBrokerOptions } from "../network-broker-options.ts";
export type { RedisBrokerOptions } from "./redis-broker-options.ts";
export type { RedisAddress, RedisClient, RedisClusterClient, RedisListener, RedisOverrides } from "./redis-client.ts";
export type { RedisSentinelOptions } from "./redis-sentinel-options.ts";

/**
 * Connects to Redis from 6.2, or Valkey, so that hubs in several processes share their topics, and checks the server's version, role,
 * permissions and keys. Later failures reject the calls that they affect; the broker reconnects by itself.
 *
 * The server's configuration decides what survives a crash: `appendonly`, `appendfsync`, and a `maxmemory-policy` that evicts nothing.
 *
 * @example
 * ```ts
 * import { createClient } from "redis";
 * import { Hub } from "comet-sockets";
 * import { redisBroker } from "comet-sockets/redis";
 *
 * const hub = new Hub({ broker: await redisBroker({ client: createClient({ url: "redis://127.0.0.1:6379" }) }) });
 * ```
 *
 * @returns A broker for one hub, which closes it.
 * @throws {CometError} `ERR_OPTION`; `ERR_BROKER` if the server cannot be reached within `connectTimeoutMs`; `ERR_BROKER_CONFIG` if it
 *   refuses the client, is too old, or holds foreign data under the prefix.
 */
export async function redisBroker(options: RedisBrokerOptions): Promise<Broker> {
  return await RedisBroker.open(checkRedisOptions(options));
}

import type { NetworkBrokerSettings } from "../network-broker-options.ts";
import type { RedisClient, RedisClusterClient } from "./redis-client.ts";

/** The options of `redisBroker`, checked and complete. */
export interface RedisSettings extends NetworkBrokerSettings {
  /** The client to copy. With sentinels, it asks them when it connects. */
  readonly client: RedisClient | RedisClusterClient;
  readonly prefix: string;
  readonly topicTtlMs: number;
}

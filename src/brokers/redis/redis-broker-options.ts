import { CometError, describe } from "../../core/errors.ts";
import { assertInteger } from "../../core/options.ts";
import { assertForm, checkNetworkBrokerOptions, type NetworkBrokerOptions } from "../network-broker-options.ts";
import type { RedisClient, RedisClusterClient } from "./redis-client.ts";

/** Options of {@link redisBroker}: how a hub uses a Redis server or cluster. Times are whole milliseconds. */
export interface RedisBrokerOptions extends NetworkBrokerOptions {
  /**
   * A client of the application, with its address, TLS and authentication: by `createClient` or `createCluster` of the package `redis`.
   * It stays the application's, connected or not. The broker copies it by `duplicate()`, into two connections for a server or two for
   * each server of a cluster, and closes only the copies.
   */
  readonly client: RedisClient | RedisClusterClient;
  /**
   * The beginning of the names of all keys and channels: 1 to 64 letters, digits and `_ . : / -`. Each application on the same server
   * needs a prefix of its own, also with another database number, since all databases share the channels.
   *
   * @default "comet"
   */
  readonly prefix?: string;
  /**
   * Time for which the epoch and the last offset of a topic outlive its last message, from 1,000. While a process follows the topic
   * they are kept; afterwards a client that resumes finds another epoch, which is a `gap`.
   *
   * @default 86_400_000 (a day)
   */
  readonly topicTtlMs?: number;
}

/** {@link RedisBrokerOptions}, checked and complete. */
export type RedisSettings = Required<RedisBrokerOptions>;

/** The methods that are called of any client. */
const clientMethods = ["duplicate", "on", "connect", "sendCommand", "subscribe", "unsubscribe", "destroy"] as const;

/** @throws {CometError} `ERR_OPTION`. */
export function checkRedisOptions(options: RedisBrokerOptions): RedisSettings {
  return {
    ...checkNetworkBrokerOptions("redisBroker", options),
    client: assertClient(options.client),
    prefix: assertForm(
      "prefix",
      options.prefix ?? "comet",
      /^[\w.:/-]{1,64}$/,
      "1 to 64 letters, digits and _ . : / -",
    ),
    topicTtlMs: assertInteger("topicTtlMs", options.topicTtlMs ?? 86_400_000, 1000, 2 ** 45),
  };
}

/** The further methods that are called of the client of a cluster. */
const clusterMethods = ["sSubscribe", "sUnsubscribe"] as const;

function assertClient(client: unknown): RedisClient | RedisClusterClient {
  const methods = typeof client === "object" && client !== null ? (client as Readonly<Record<string, unknown>>) : {};
  const has = (name: string): boolean => typeof methods[name] === "function";
  if (has("getSentinelNode") || has("getMasterNode")) {
    throw new CometError(
      "ERR_OPTION",
      "client must not be made by createSentinel: such a client moves its connections to another server by itself, and acknowledged " +
        "messages would be lost unnoticed. docs/brokers.md has a client that asks the sentinels at each connect.",
    );
  }
  const needed = "slots" in methods ? [...clientMethods, ...clusterMethods] : clientMethods;
  const missing = needed.filter((name) => !has(name));
  if (missing.length === 0) return client as RedisClient | RedisClusterClient;
  if (methods["isCluster"] === true) {
    throw new CometError(
      "ERR_OPTION",
      "The client of a Redis Cluster must be made by createCluster of the package redis.",
    );
  }
  const found = missing.length < needed.length ? `one without ${missing.join(", ")}` : describe(client);
  throw new CometError(
    "ERR_OPTION",
    `client must be a client of the package redis, or have the same methods, not ${found}. ` +
      "docs/brokers.md has an adapter for ioredis and iovalkey.",
  );
}

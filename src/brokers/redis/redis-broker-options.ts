import { CometError } from "../../core/errors.ts";
import { assertInteger } from "../../core/options.ts";
import {
  assertForm,
  checkNetworkBrokerOptions,
  type NetworkBrokerOptions,
  type NetworkBrokerSettings,
} from "../network-broker-options.ts";
import { assertClient } from "./assert-client.ts";
import type { RedisClient, RedisClusterClient } from "./redis-client.ts";
import { checkSentinelOptions, type RedisSentinelOptions } from "./redis-sentinel-options.ts";
import type { RedisSettings } from "./redis-settings.ts";
import { SentinelClient } from "./sentinel-client.ts";

/**
 * Options of {@link redisBroker}: how a hub uses a Redis server or cluster. Times are whole milliseconds. Either `client` or `sentinel` is
 * required.
 */
export interface RedisBrokerOptions extends NetworkBrokerOptions {
  /**
   * A client of the application, with its address, TLS and authentication: by `createClient` or `createCluster` of the package `redis`.
   * It stays the application's, connected or not. The broker copies it by `duplicate()`, into two connections for a server or two for
   * each server of a cluster, and closes only the copies.
   */
  readonly client?: RedisClient | RedisClusterClient;
  /**
   * The sentinels that name the master, instead of `client`. Each connection asks them when it is made, stays with that server, and ends
   * when a sentinel names another one. The broker then reconnects, and checks whether messages are lost.
   */
  readonly sentinel?: RedisSentinelOptions;
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

/** @throws {CometError} `ERR_OPTION`. */
export function checkRedisOptions(options: RedisBrokerOptions): RedisSettings {
  const network = checkNetworkBrokerOptions("redisBroker", options);
  return {
    ...network,
    client: clientOf(options, network),
    prefix: assertForm(
      "prefix",
      options.prefix ?? "comet",
      /^[\w.:/-]{1,64}$/,
      "1 to 64 letters, digits and _ . : / -",
    ),
    topicTtlMs: assertInteger("topicTtlMs", options.topicTtlMs ?? 86_400_000, 1000, 2 ** 45),
  };
}

function clientOf(
  { client, sentinel }: RedisBrokerOptions,
  { connectTimeoutMs }: NetworkBrokerSettings,
): RedisClient | RedisClusterClient {
  if (sentinel === undefined) return assertClient("client", client);
  if (client === undefined) return new SentinelClient(checkSentinelOptions(sentinel, connectTimeoutMs));
  throw new CometError(
    "ERR_OPTION",
    "Set client or sentinel, not both: with sentinel, sentinel.createClient makes the clients.",
  );
}

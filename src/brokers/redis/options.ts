import { CometError, describe } from "../../core/errors.ts";
import { MAX_TIMER_MS, assertInteger } from "../../core/options.ts";
import type { RedisClient, RedisClusterClient } from "./client.ts";

/** How a hub uses a Redis server or cluster. */
export interface RedisBrokerOptions {
  /**
   * A client that the application has made, with its address, TLS and authentication: by `createClient` or `createCluster` of the
   * package `redis`. It stays the application's, connected or not: the broker makes copies of it by `duplicate()`, two connections for a
   * server or two for each server of a cluster, and closes only those.
   */
  readonly client: RedisClient | RedisClusterClient;
  /**
   * What the names of all keys and channels begin with: 1 to 64 letters, digits and `_ . : / -`; `comet` by default. Every application
   * on the same server needs its own, also where they use databases of different numbers: channels are shared by all of them.
   */
  readonly prefix?: string;
  /** How long the start may take, and each attempt to come back, in milliseconds: 5,000 by default, from 1. */
  readonly connectTimeoutMs?: number;
  /** How long a command may take, in milliseconds: 5,000 by default, from 1. */
  readonly timeoutMs?: number;
  /** How often both connections are tried out, in milliseconds: 2,000 by default, from 10. One that is silent for nearly two of these times is given up. */
  readonly heartbeatMs?: number;
  /**
   * How long the epoch and the last offset of a topic outlive its last message, in milliseconds: a day by default, from 1,000. While a
   * process follows the topic they stay; afterwards a client that comes back later finds another epoch, which is a `gap`.
   */
  readonly topicTtlMs?: number;
  /** How many bytes of messages may be on their way to the server: 16 MiB by default, from 1,024. What is over is rejected. */
  readonly maxPendingBytes?: number;
}

/** The same, checked and complete. */
export type Settings = Required<RedisBrokerOptions>;

const MAX = Number.MAX_SAFE_INTEGER;
const methods = ["duplicate", "on", "connect", "sendCommand", "subscribe", "unsubscribe", "destroy"] as const;

/** @throws {CometError} `ERR_OPTION`. */
export function checkOptions(options: RedisBrokerOptions): Settings {
  return {
    client: checkClient(options.client),
    prefix: checkPrefix(options.prefix ?? "comet"),
    connectTimeoutMs: assertInteger("connectTimeoutMs", options.connectTimeoutMs ?? 5000, 1, MAX_TIMER_MS),
    timeoutMs: assertInteger("timeoutMs", options.timeoutMs ?? 5000, 1, MAX_TIMER_MS),
    heartbeatMs: assertInteger("heartbeatMs", options.heartbeatMs ?? 2000, 10, MAX_TIMER_MS),
    topicTtlMs: assertInteger("topicTtlMs", options.topicTtlMs ?? 86_400_000, 1000, 2 ** 45),
    maxPendingBytes: assertInteger("maxPendingBytes", options.maxPendingBytes ?? 16_777_216, 1024, MAX),
  };
}

function checkClient(client: unknown): RedisClient | RedisClusterClient {
  const isObject = typeof client === "object" && client !== null;
  const missing = methods.filter(
    (name) => !isObject || typeof (client as Record<string, unknown>)[name] !== "function",
  );
  if (missing.length === 0) return client as RedisClient | RedisClusterClient;
  const what = isObject && missing.length < methods.length ? `one without ${missing.join(", ")}` : describe(client);
  throw new CometError("ERR_OPTION", `client must be a client of the package redis, or work as one does, not ${what}.`);
}

function checkPrefix(prefix: unknown): string {
  if (typeof prefix === "string" && /^[\w.:/-]{1,64}$/.test(prefix)) return prefix;
  throw new CometError("ERR_OPTION", `prefix must be 1 to 64 letters, digits and _ . : / -, not ${describe(prefix)}.`);
}

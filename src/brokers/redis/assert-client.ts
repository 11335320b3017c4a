import { CometError, describe } from "../../core/errors.ts";
import { isClusterClient, type RedisClient, type RedisClusterClient } from "./redis-client.ts";

/** The methods that are called of any client. */
const clientMethods = ["duplicate", "on", "connect", "sendCommand", "subscribe", "unsubscribe", "destroy"] as const;
/** The further methods that are called of the client of a cluster. */
const clusterMethods = ["sSubscribe", "sUnsubscribe"] as const;

/**
 * Checks that a value is a client of a server or a cluster.
 *
 * @param name The value's name, for the message.
 * @throws {CometError} `ERR_OPTION`.
 */
export function assertClient(name: string, client: unknown): RedisClient | RedisClusterClient {
  const methods = typeof client === "object" && client !== null ? (client as Readonly<Record<string, unknown>>) : {};
  const has = (method: string): boolean => typeof methods[method] === "function";
  if (has("getSentinelNode") || has("getMasterNode")) {
    throw new CometError(
      "ERR_OPTION",
      `${name} must not be made by createSentinel: such a client moves its connections to another server by itself, and acknowledged ` +
        "messages would be lost unnoticed. Use the option sentinel.",
    );
  }
  const needed =
    "slots" in methods && !isIoredisCluster(methods) ? [...clientMethods, ...clusterMethods] : clientMethods;
  const missing = needed.filter((method) => !has(method));
  if (missing.length === 0) return client as RedisClient | RedisClusterClient;
  if (isIoredisCluster(methods)) {
    throw new CometError(
      "ERR_OPTION",
      `${name} is a Cluster of ioredis, which needs the adapter for clusters of docs/brokers.md.`,
    );
  }
  const found = missing.length < needed.length ? `one without ${missing.join(", ")}` : describe(client);
  throw new CometError(
    "ERR_OPTION",
    `${name} must be a client of the package redis, or have the same methods, not ${found}. ` +
      "docs/brokers.md has an adapter for ioredis and iovalkey.",
  );
}

/** Checks that a value is a client of one server. @throws {CometError} `ERR_OPTION`. */
export function assertServerClient(name: string, value: unknown): RedisClient {
  const client = assertClient(name, value);
  if (!isClusterClient(client)) return client;
  throw new CometError("ERR_OPTION", `${name} must be the client of one server, not that of a cluster.`);
}

function isIoredisCluster(methods: Readonly<Record<string, unknown>>): boolean {
  return methods["isCluster"] === true;
}

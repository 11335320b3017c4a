import { CometError, describe } from "../../core/errors.ts";
import { assertFunction, assertInteger } from "../../core/options.ts";
import { assertForm } from "../network-broker-options.ts";
import type { RedisAddress, RedisClient } from "./redis-client.ts";

/** Option `sentinel` of {@link RedisBrokerOptions}: how the broker finds the master through Redis Sentinel. */
export interface RedisSentinelOptions {
  /** The name of the master in the configuration of the sentinels: the first word after `sentinel monitor`. */
  readonly name: string;
  /** The addresses of the sentinels. Each connection asks them in turn until one answers. The last one that answered is asked first. */
  readonly nodes: readonly RedisAddress[];
  /**
   * Creates a client of the master at an address, with TLS and authentication. The broker copies it by `duplicate()`, and connects
   * only the copy.
   */
  readonly createClient: (address: RedisAddress) => RedisClient;
  /** Creates a client of the sentinel at an address, used in the same way. @default createClient */
  readonly createSentinelClient?: (address: RedisAddress) => RedisClient;
}

/** {@link RedisSentinelOptions}, checked and complete. */
export interface RedisSentinelSettings extends Required<RedisSentinelOptions> {
  /** The sentinels in the order in which they are asked, which all connections of a broker share. */
  readonly nodes: RedisAddress[];
  /** Time limit of the answer of one sentinel, in milliseconds. */
  readonly answerMs: number;
}

/**
 * @param connectTimeoutMs The time limit of a connection: each sentinel has an equal share, and the master another.
 * @throws {CometError} `ERR_OPTION`.
 */
export function checkSentinelOptions(options: RedisSentinelOptions, connectTimeoutMs: number): RedisSentinelSettings {
  if (typeof (options as unknown) !== "object" || (options as unknown) === null) {
    throw new CometError("ERR_OPTION", `sentinel must be an object, not ${describe(options)}.`);
  }
  const { createClient, createSentinelClient = createClient } = options;
  const nodes = assertNodes(options.nodes);
  return {
    name: assertForm("sentinel.name", options.name, /^[\w.-]{1,128}$/, "1 to 128 letters, digits and _ . -"),
    nodes,
    createClient: assertFunction("sentinel.createClient", createClient),
    createSentinelClient: assertFunction("sentinel.createSentinelClient", createSentinelClient),
    answerMs: connectTimeoutMs / (nodes.length + 1),
  };
}

function assertNodes(nodes: unknown): RedisAddress[] {
  if (!Array.isArray(nodes) || nodes.length === 0) {
    throw new CometError("ERR_OPTION", `sentinel.nodes must list at least one sentinel, not ${describe(nodes)}.`);
  }
  return Array.from(nodes as unknown[], (node, i) => {
    const { host, port } = (node ?? {}) as Partial<RedisAddress>;
    if (typeof host !== "string" || host === "") {
      throw new CometError("ERR_OPTION", `sentinel.nodes[${i}].host must be a host name, not ${describe(host)}.`);
    }
    return { host, port: assertInteger(`sentinel.nodes[${i}].port`, port, 1, 65_535) };
  });
}

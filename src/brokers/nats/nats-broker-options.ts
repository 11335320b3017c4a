import type { NodeConnectionOptions } from "@nats-io/transport-node";
import { CometError, describe } from "../../core/errors.ts";
import { MAX_TIMER_MS, assertInteger } from "../../core/options.ts";
import type { LogBounds } from "../../log/entry.ts";

/** Options of {@link natsBroker}. Times are whole milliseconds. */
export interface NatsBrokerOptions {
  /**
   * How to connect, as `@nats-io/transport-node` takes it: servers, credentials, TLS. Name all servers of a cluster. The broker
   * makes a connection of its own, makes another whenever it breaks, and closes it; what is said here of reconnecting and of time limits
   * has no effect. `127.0.0.1:4222` by default.
   */
  readonly connection?: NodeConnectionOptions;
  /** The name of the stream, which is made if there is none: letters, digits, `-` and `_`; `comet` by default. */
  readonly stream?: string;
  /**
   * What its subjects begin with, one or more tokens of letters, digits, `-` and `_`, joined by dots; the name of the stream by default.
   * The messages are in `<prefix>.>`, and what is sent between hubs is in `<prefix>-live.>`, `<prefix>-signal` and `<prefix>-epoch`.
   */
  readonly prefix?: string;
  /** The JetStream domain, where the server is a leaf node of one. */
  readonly domain?: string;
  /**
   * The bounds of every topic: the hub's `log`, as they are by default. The stream has the same for all topics, and one that the hub bounds
   * more tightly is cut down as it is read. JetStream cannot bound the bytes of a topic, and `maxBytes` here has no effect.
   */
  readonly log?: Partial<LogBounds>;
  /**
   * The bytes of the whole stream, from 1,048,576; no bound by default. When it is reached the oldest messages leave, whatever
   * their topic, and clients that were away for a moment may be told of gaps that are none.
   */
  readonly maxStreamBytes?: number;
  /** `file` by default: messages outlive the server. With `memory` they do not, and a restart of the server is a gap for everybody. */
  readonly storage?: "file" | "memory";
  /** How many servers of a cluster hold a stream that is made: 1 by default, to 5. */
  readonly replicas?: number;
  /** How long an answer of the server may take: 5,000 by default, from 50. */
  readonly timeoutMs?: number;
  /** A connection that is silent for twice as long is given up: 2,000 by default, from 50. */
  readonly heartbeatMs?: number;
  /** The longest pause between two attempts to come back: 5,000 by default, from 10. */
  readonly maxRetryMs?: number;
  /** How many bytes may be on their way to the server. What is published beyond them is rejected: 16 MiB by default, from 1,024. */
  readonly maxPendingBytes?: number;
}

/** {@link NatsBrokerOptions}, checked and complete. */
export interface Settings {
  readonly connection: NodeConnectionOptions;
  readonly stream: string;
  readonly prefix: string;
  readonly api: string;
  readonly maxEntries: number;
  readonly maxAgeMs: number;
  readonly maxStreamBytes: number | undefined;
  readonly storage: "file" | "memory";
  readonly replicas: number;
  readonly timeoutMs: number;
  readonly heartbeatMs: number;
  readonly maxRetryMs: number;
  readonly maxPendingBytes: number;
}

/** JetStream takes no shorter age. */
const MIN_AGE_MS = 100;

/** @throws {CometError} `ERR_OPTION`. */
export function checkOptions(options: NatsBrokerOptions): Settings {
  if (typeof (options as unknown) !== "object" || (options as unknown) === null) {
    throw new CometError("ERR_OPTION", `The options of natsBroker must be an object, not ${describe(options)}.`);
  }
  const number = (name: keyof NatsBrokerOptions, fallback: number, min: number, max: number): number =>
    assertInteger(name, options[name] ?? fallback, min, max);
  const stream = matching("stream", options.stream ?? "comet", /^[\w-]{1,128}$/);
  const domain = options.domain === undefined ? undefined : matching("domain", options.domain, /^[\w-]{1,128}$/);
  const { storage = "file", log } = options;
  if (storage !== "file" && (storage as unknown) !== "memory") {
    throw new CometError("ERR_OPTION", `storage must be file or memory, not ${describe(storage)}.`);
  }
  return {
    connection: options.connection ?? {},
    stream,
    prefix: matching("prefix", options.prefix ?? stream, /^(?=.{1,256}$)[\w-]+(?:\.[\w-]+)*$/),
    api: domain === undefined ? "$JS.API" : `$JS.${domain}.API`,
    maxEntries: assertInteger("log.maxEntries", log?.maxEntries ?? 4096, 1, 2 ** 24),
    maxAgeMs: assertInteger("log.maxAgeMs", log?.maxAgeMs ?? 300_000, MIN_AGE_MS, MAX_TIMER_MS),
    maxStreamBytes:
      options.maxStreamBytes === undefined
        ? undefined
        : assertInteger("maxStreamBytes", options.maxStreamBytes, 1_048_576, Number.MAX_SAFE_INTEGER),
    storage,
    replicas: number("replicas", 1, 1, 5),
    timeoutMs: number("timeoutMs", 5000, 50, MAX_TIMER_MS),
    heartbeatMs: number("heartbeatMs", 2000, 50, MAX_TIMER_MS),
    maxRetryMs: number("maxRetryMs", 5000, 10, MAX_TIMER_MS),
    maxPendingBytes: number("maxPendingBytes", 16_777_216, 1024, Number.MAX_SAFE_INTEGER),
  };
}

function matching(name: string, value: unknown, pattern: RegExp): string {
  if (typeof value === "string" && pattern.test(value)) return value;
  throw new CometError("ERR_OPTION", `${name} must match ${String(pattern)}, unlike ${describe(value)}.`);
}

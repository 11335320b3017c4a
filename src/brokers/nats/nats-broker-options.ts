import type { NodeConnectionOptions } from "@nats-io/transport-node";
import { CometError, describe } from "../../core/errors.ts";
import { MAX_TIMER_MS, assertInteger } from "../../core/options.ts";
import type { LogBounds } from "../../log/entry.ts";
import {
  assertForm,
  checkNetworkBrokerOptions,
  type NetworkBrokerOptions,
  type NetworkBrokerSettings,
} from "../network-broker-options.ts";

/** Options of {@link natsBroker}: how a hub uses a NATS server or cluster. Times are whole milliseconds. */
export interface NatsBrokerOptions extends NetworkBrokerOptions {
  /**
   * The connection, as `@nats-io/transport-node` takes it: servers, credentials, TLS. Name all servers of a cluster. The broker makes and
   * closes its own connections; options for reconnecting and for time limits have no effect.
   *
   * @default { servers: "127.0.0.1:4222" }
   */
  readonly connection?: NodeConnectionOptions;
  /** The name of the stream, which is created if it is missing: 1 to 128 letters, digits, `-` and `_`. @default "comet" */
  readonly stream?: string;
  /**
   * The beginning of its subjects: tokens of letters, digits, `-` and `_`, joined by dots, at most 256 characters. Messages are in
   * `<prefix>.>`, and traffic between hubs in `<prefix>-live.>`, `<prefix>-signal` and `<prefix>-epoch`.
   *
   * @default the name of the stream
   */
  readonly prefix?: string;
  /** The JetStream domain, if the server is a leaf node of one: 1 to 128 letters, digits, `-` and `_`. */
  readonly domain?: string;
  /**
   * The bounds of every topic, with the ranges and defaults of the hub's `log`. The stream applies the same to all topics; if the hub
   * bounds a topic more tightly, the excess is removed from what is read. JetStream cannot bound the bytes of a topic: `maxBytes` has no
   * effect here.
   */
  readonly log?: Partial<LogBounds>;
  /**
   * The bytes of the whole stream, from 1,048,576; unbounded by default. At the bound the oldest messages of any topic are removed, and
   * clients that were away for a moment may receive spurious `gap` events.
   */
  readonly maxStreamBytes?: number;
  /** `file`: messages survive a restart of the server. `memory`: they do not, and a restart is a gap for all clients. @default "file" */
  readonly storage?: "file" | "memory";
  /** The servers of a cluster that hold a stream that is created here: 1 to 5. @default 1 */
  readonly replicas?: number;
}

/** {@link NatsBrokerOptions}, checked and complete. */
export interface NatsSettings extends NetworkBrokerSettings {
  readonly connection: NodeConnectionOptions;
  readonly stream: string;
  readonly prefix: string;
  /** The prefix of the subjects of JetStream's API. */
  readonly api: string;
  readonly maxEntries: number;
  readonly maxAgeMs: number;
  readonly maxStreamBytes: number | undefined;
  readonly storage: "file" | "memory";
  readonly replicas: number;
}

/** The entries of a topic that the stream holds: `maxEntries` messages, and an end, which does not count. */
export function entriesLimit({ maxEntries }: NatsSettings): number {
  return maxEntries + 1;
}

/** The shortest age that JetStream takes. */
const MIN_AGE_MS = 100;

/** @throws {CometError} `ERR_OPTION`. */
export function checkNatsOptions(options: NatsBrokerOptions): NatsSettings {
  const network = checkNetworkBrokerOptions("natsBroker", options);
  const { connection = {}, domain, log, maxStreamBytes, storage = "file" } = options;
  const stream = assertName("stream", options.stream ?? "comet");
  if (typeof (connection as unknown) !== "object" || (connection as unknown) === null) {
    throw new CometError("ERR_OPTION", `connection must be an object, not ${describe(connection)}.`);
  }
  if (storage !== "file" && (storage as unknown) !== "memory") {
    throw new CometError("ERR_OPTION", `storage must be file or memory, not ${describe(storage)}.`);
  }
  return {
    ...network,
    connection,
    stream,
    prefix: assertForm(
      "prefix",
      options.prefix ?? stream,
      /^(?=.{1,256}$)[\w-]+(?:\.[\w-]+)*$/,
      "tokens of letters, digits, - and _, joined by dots, at most 256 characters",
    ),
    api: domain === undefined ? "$JS.API" : `$JS.${assertName("domain", domain)}.API`,
    maxEntries: assertInteger("log.maxEntries", log?.maxEntries ?? 4096, 1, 2 ** 24),
    maxAgeMs: assertInteger("log.maxAgeMs", log?.maxAgeMs ?? 300_000, MIN_AGE_MS, MAX_TIMER_MS),
    maxStreamBytes:
      maxStreamBytes === undefined
        ? undefined
        : assertInteger("maxStreamBytes", maxStreamBytes, 1_048_576, Number.MAX_SAFE_INTEGER),
    storage,
    replicas: assertInteger("replicas", options.replicas ?? 1, 1, 5),
  };
}

function assertName(option: string, value: unknown): string {
  return assertForm(option, value, /^[\w-]{1,128}$/, "1 to 128 letters, digits, - and _");
}

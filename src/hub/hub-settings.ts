/**
 * Checks the options of a hub, and fills in their defaults.
 *
 * All rooms read the checked form, `HubSettings`. `hub-options.ts` documents each option: a range or a default that
 * changes here changes there.
 */

import { CometError, describe } from "../core/errors.ts";
import { parseIpRanges, type IpRange } from "../core/ip-address.ts";
import { guardOnError } from "../core/on-error.ts";
import { assertFunction, assertInteger, MAX_TIMER_MS } from "../core/options.ts";
import type { Broker } from "../log/broker.ts";
import type { LogBounds } from "../log/entry.ts";
import type { HubOptions } from "./hub-options.ts";
import { compressionTest, type CompressionTest } from "./packing/compression-test.ts";
import { callbackTest, checkCors, type CorsSettings } from "./page-options.ts";
import { checkPresenceOptions, type PresenceOptions } from "./presence/presence-options.ts";
import { reportHubError } from "./report-hub-error.ts";
import { checkOverflow } from "./request-options.ts";
import type { CloseReason, Subscription } from "./subscription.ts";
import { checkLogBounds } from "./topic-options.ts";

/** {@link HubOptions}, checked and complete. The rooms of the hub read nothing else. */
export type HubSettings = Required<
  Omit<
    HubOptions,
    | "log"
    | "history"
    | "broker"
    | "presence"
    | "authorize"
    | "compression"
    | "callbacks"
    | "cors"
    | "trustedProxies"
    | "onOpen"
    | "onClose"
  >
> & {
  readonly isCallback: (callback: string) => boolean;
  readonly log: LogBounds;
  /** The hub's bounds of the history, as the application gives them. Each topic has its own. */
  readonly history: Partial<LogBounds> | undefined;
  readonly broker: Broker | undefined;
  readonly presence: Required<PresenceOptions>;
  readonly authorize: HubOptions["authorize"];
  readonly compression: CompressionTest | undefined;
  readonly cors: CorsSettings | undefined;
  readonly trustedProxies: readonly IpRange[];
  readonly onOpen: (subscription: Subscription) => void;
  readonly onClose: (subscription: Subscription, reason: CloseReason) => void;
};

const MAX = Number.MAX_SAFE_INTEGER;
const nothing = (): void => undefined;

/** Checks the options of a hub and fills in the defaults. @throws {CometError} `ERR_OPTION`, `ERR_CALLBACK`. */
export function checkHubOptions(options: HubOptions): HubSettings {
  const number = (name: keyof HubOptions, fallback: number, min: number, max = MAX): number =>
    assertInteger(name, options[name] ?? fallback, min, max);
  const time = (name: keyof HubOptions, fallback: number, min: number): number =>
    number(name, fallback, min, MAX_TIMER_MS);
  const limit = (name: keyof HubOptions): number => (options[name] === undefined ? Infinity : number(name, 1, 1));
  return {
    topics: assertFunction("topics", options.topics ?? (() => true)),
    authorize: options.authorize === undefined ? undefined : assertFunction("authorize", options.authorize),
    authorizeTimeoutMs: time("authorizeTimeoutMs", 5000, 1),
    log: checkLogBounds("log", options.log, { maxEntries: 4096, maxBytes: 4_194_304, maxAgeMs: 300_000 }),
    history: options.history,
    broker: checkBroker(options.broker),
    overflow: checkOverflow(options.overflow ?? "resume"),
    heartbeatMs: options.heartbeatMs === 0 ? 0 : time("heartbeatMs", 15_000, 50),
    retryMs: time("retryMs", 2000, 0),
    pollMs: time("pollMs", 25_000, 10),
    maxConnectionAgeMs: time("maxConnectionAgeMs", 600_000, 10),
    maxConnectionBytes: number("maxConnectionBytes", 268_435_456, 1024),
    maxCometBytes: number("maxCometBytes", 4_194_304, 1024),
    stallMs: time("stallMs", 60_000, 10),
    flushSliceMs: time("flushSliceMs", 10, 1),
    maxConnections: number("maxConnections", 100_000, 1),
    maxConnectionsPerIdentity: limit("maxConnectionsPerIdentity"),
    maxConnectionsPerAddress: limit("maxConnectionsPerAddress"),
    maxRequestsPerSecondPerAddress: limit("maxRequestsPerSecondPerAddress"),
    trustedProxies: parseIpRanges("trustedProxies", options.trustedProxies ?? []),
    maxTopics: number("maxTopics", 100_000, 1),
    maxAskedTopics: number("maxAskedTopics", 100_000, 1),
    maxLogBytes: number("maxLogBytes", 268_435_456, 1_048_576),
    maxTopicsPerConnection: number("maxTopicsPerConnection", 32, 1, 1000),
    maxPositionLength: number("maxPositionLength", 4096, 64),
    maxMessageBytes: number("maxMessageBytes", 65_536, 1),
    compression: compressionTest(options.compression),
    isCallback: callbackTest(options.callbacks),
    cors: checkCors(options.cors),
    presence: checkPresenceOptions(options.presence),
    onOpen: assertFunction("onOpen", options.onOpen ?? nothing),
    onClose: assertFunction("onClose", options.onClose ?? nothing),
    onError: guardOnError(assertFunction("onError", options.onError ?? reportHubError)),
  };
}

function checkBroker(broker: unknown): Broker | undefined {
  if (broker === undefined) return undefined;
  const isBroker = typeof broker === "object" && broker !== null && "attach" in broker && "publish" in broker;
  if (isBroker) return broker as Broker;
  const hint = broker instanceof Promise ? ", but it has not been awaited" : "";
  throw new CometError("ERR_OPTION", `broker must be a broker, not ${describe(broker)}${hint}.`);
}

/**
 * The options that an application gives a hub and each request, with their checks.
 *
 * All rooms read the checked form, `HubSettings`. A change of a range, a default or a code is visible to users:
 * `docs/options.md`, section 8 of PROTOCOL.md and the changelog state them too. Do not widen `harmless`: it decides which
 * functions of a page a stranger's URL can call.
 */

import { CometError, describe } from "../core/errors.ts";
import { assertFunction, MAX_TIMER_MS, assertInteger } from "../core/options.ts";
import { reportOnConsole, type OnError } from "../core/on-error.ts";
import type { Broker } from "../log/broker.ts";
import type { LogBounds } from "../log/entry.ts";
import { checkCallback, MAX_CALLBACK_LENGTH } from "../wire/script-frame.ts";
import { checkField } from "../core/validate-field.ts";
import { MAX_BEAT_MS, MIN_BEAT_MS } from "./presence/signals.ts";
import type { CloseReason, OverflowPolicy, Subscription } from "./subscription.ts";

/** The part of a request that a hub reads. A web-standard `Request` fits. */
export interface HubRequest {
  readonly method: string;
  /** The URL, or its path and query. */
  readonly url: string;
  readonly headers: { get(name: string): string | null };
}

/** Options of one topic. */
export interface TopicOptions {
  /** The bounds of the topic's log. A bound that is left out is the hub's. */
  readonly log?: Partial<LogBounds>;
  /** The policy for slow subscribers of this topic. The hub's by default. */
  readonly overflow?: OverflowPolicy;
}

/** The answer of `authorize`: allow (`true`), reject with 403 (`false`), or reject with a status. */
export type Authorization = boolean | 401 | 403 | 404;

/** Options of presence, which knows the subscribers of a topic in all processes. */
export interface PresenceOptions {
  /**
   * The period in milliseconds of the heartbeats between processes, from 10 to 60,000. Use the same in all processes.
   *
   * Processes send heartbeats only while one of them asks for presence. Subscribers of a process that has died
   * count for at most three beats.
   *
   * @default 2000
   */
  readonly beatMs?: number;
  /**
   * The time in milliseconds that an identity must be absent before its `leave` is emitted, from 0 to 2,147,483,647.
   *
   * @default 5000
   */
  readonly graceMs?: number;
}

/**
 * Options of a `Hub`. All numbers are integers. Times are in milliseconds, at most 2,147,483,647; other numbers without
 * an upper limit go up to 2^53 - 1. A value out of range throws `ERR_OPTION`.
 */
export interface HubOptions {
  /**
   * Decides which names are topics, and how each is kept: `true` for the hub's own options, an object for other
   * options, `false` for a name that is not a topic (`ERR_TOPIC_UNKNOWN`, 404). Called whenever the hub creates a
   * topic, and for each name in a request or publication that has no live topic.
   *
   * @default () => true: every well-formed name is a topic
   * @example
   * ```ts
   * new Hub({ topics: (name) => name === "news" || (name.startsWith("price:") && { overflow: "latest" }) });
   * ```
   */
  readonly topics?: (name: string) => boolean | TopicOptions;
  /**
   * Decides whether a client may follow topics, before the first byte of every stream. The client gets 403 for `false`,
   * and the status for a status.
   *
   * If it throws or rejects, `onError` gets the error and the client gets 500. If it takes longer than
   * `authorizeTimeoutMs`, the client gets 503.
   *
   * @default every client may follow every topic
   * @example
   * ```ts
   * new Hub({ authorize: (request, topics) => (isSignedIn(request) ? topics.every(mayFollow) : 401) });
   * ```
   */
  readonly authorize?: (request: HubRequest, topics: readonly string[]) => Authorization | PromiseLike<Authorization>;
  /** The time limit of `authorize` in milliseconds, from 1. @default 5000 */
  readonly authorizeTimeoutMs?: number;
  /**
   * The bounds of each topic's log.
   *
   * @default { maxEntries: 4096, maxBytes: 4_194_304, maxAgeMs: 300_000 }
   */
  readonly log?: Partial<LogBounds>;
  /**
   * The broker that joins this hub to hubs of other processes, such as `await redisBroker(...)`. Without one the hub is
   * alone, and its logs are in memory. A broker belongs to one hub, and `hub.close` closes it.
   *
   * @default none
   */
  readonly broker?: Broker;
  /** The policy for slow subscribers. @default "resume" */
  readonly overflow?: OverflowPolicy;
  /** The longest silence on a connection in milliseconds, from 50; 0 disables heartbeats. @default 15_000 */
  readonly heartbeatMs?: number;
  /**
   * The reconnection delay in milliseconds that the hub announces to an `EventSource` (`retry:` on the plain SSE wire),
   * from 0.
   *
   * @default 2000
   */
  readonly retryMs?: number;
  /** The longest time in milliseconds that a poll waits for a message, from 10. @default 25_000 */
  readonly pollMs?: number;
  /**
   * The age in milliseconds, from 10, at which the hub recycles a connection: it ends the stream with its position, and
   * the client reconnects at once. A random tenth at most is subtracted, so that clients do not all reconnect at one
   * moment.
   *
   * @default 600_000
   */
  readonly maxConnectionAgeMs?: number;
  /** The number of bytes, from 1,024, after which the hub recycles a connection. @default 268_435_456 */
  readonly maxConnectionBytes?: number;
  /** The same for the comet wire, whose documents hold memory in the browser: from 1,024. @default 4_194_304 */
  readonly maxCometBytes?: number;
  /**
   * The time in milliseconds, from 10, after which the hub disconnects a client that has not taken what was last
   * written to it.
   *
   * The unsent rest is at most some 64 KiB beyond the buffers of the operating system, so a client may be slow.
   *
   * @default 60_000
   */
  readonly stallMs?: number;
  /**
   * The time in milliseconds that one turn of the event loop may be spent on flushing, from 1. The rest continues in
   * the next turn.
   *
   * @default 10
   */
  readonly flushSliceMs?: number;
  /** The highest number of connections, from 1. Further requests get 503 (`ERR_LIMIT`). @default 100_000 */
  readonly maxConnections?: number;
  /**
   * The highest number of live topics, from 1. Beyond it the hub evicts topics without followers before their time. If
   * all are followed, new topics fail with `ERR_LIMIT`.
   *
   * @default 100_000
   */
  readonly maxTopics?: number;
  /**
   * The highest number of topics that clients have asked for and that nothing has been published to, from 1. They take
   * no place of `maxTopics`. Beyond it, the one that was left longest ago goes; if all are followed, new ones are
   * refused with 503.
   *
   * @default 100_000
   */
  readonly maxAskedTopics?: number;
  /**
   * The most memory in bytes that the logs of all topics may take together, from 1,048,576: messages, their fields, and
   * their encoded frames. Beyond it, the frames that were read longest ago go first, since they can be encoded again.
   * Then the messages that were published longest ago go, from whichever topic; a client that comes back for them gets a
   * `gap`.
   *
   * @default 268_435_456
   */
  readonly maxLogBytes?: number;
  /** The highest number of topics that one connection follows, from 1 to 1,000. @default 32 */
  readonly maxTopicsPerConnection?: number;
  /** The longest position that a client may send, in characters, from 64. @default 4096 */
  readonly maxPositionLength?: number;
  /** The size of the largest message, its data as JSON in UTF-8 bytes, from 1. @default 65_536 */
  readonly maxMessageBytes?: number;
  /**
   * The callbacks that the comet wire may call. Anyone can name a callback in a URL that a page of yours then opens, so
   * the list must not hold a function that does more with a message than show it, as `eval` and `document.write` do.
   *
   * @default `console.log`, and every name that begins with `comet`, such as `cometMessage`, alone or after `parent.`:
   *   no function of the browser has such a name
   */
  readonly callbacks?: readonly string[];
  /**
   * The pages of other origins that may follow topics.
   *
   * @default none
   */
  readonly cors?: {
    /**
     * The allowed origins, each a scheme, a host and a port without a path, such as `http://localhost:8080`. An origin
     * omits its scheme's default port, as in `https://example.com`. `*` is not an origin.
     */
    readonly origins: readonly string[];
    /** Whether the requests of those origins may carry cookies. @default false */
    readonly credentials?: boolean;
  };
  /** Options of presence: `topic.presence` and `topic.presenceChanges`. */
  readonly presence?: PresenceOptions;
  /** Called with every subscription, once its first bytes are sent. An error that it throws goes to `onError`. */
  readonly onOpen?: (subscription: Subscription) => void;
  /**
   * Called exactly once at the end of every subscription that `onOpen` was called with. An error that it throws goes to
   * `onError`.
   */
  readonly onClose?: (subscription: Subscription, reason: CloseReason) => void;
  /**
   * Called with every error that has no caller: of `authorize`, `onOpen`, `onClose`, a handler's options, or the
   * broker. It must not throw.
   *
   * @default console.error
   */
  readonly onError?: OnError;
}

/** Options of one request, given to `nodeHandler` or `fetchHandler`. */
export interface RequestOptions {
  /** The topics to follow, one or more, instead of the topics that the request names. */
  readonly topics?: readonly string[];
  /** The policy if this subscriber is too slow. The topic's by default. */
  readonly overflow?: OverflowPolicy;
  /**
   * The client's identity for `presence` of its topics: 1 to 200 characters without CR, LF, NUL and lone surrogates.
   *
   * @default anonymous
   */
  readonly identity?: string;
  /**
   * The `nonce` attribute of every script on the comet wire: a base64 value of at most 256 characters.
   *
   * @default none
   */
  readonly nonce?: string;
  /** Headers of the stream, which replace the defaults. A refusal carries only `Content-Security-Policy` of these. */
  readonly headers?: HeadersInit;
}

/** {@link HubOptions}, checked and complete. The rooms of the hub read nothing else. */
export type HubSettings = Required<
  Omit<HubOptions, "log" | "broker" | "presence" | "authorize" | "callbacks" | "cors" | "onOpen" | "onClose">
> & {
  readonly isCallback: (callback: string) => boolean;
  readonly log: LogBounds;
  readonly broker: Broker | undefined;
  readonly presence: Required<PresenceOptions>;
  readonly authorize: HubOptions["authorize"];
  readonly cors: { readonly origins: ReadonlySet<string>; readonly credentials: boolean } | undefined;
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
  return {
    topics: assertFunction("topics", options.topics ?? (() => true)),
    authorize: options.authorize === undefined ? undefined : assertFunction("authorize", options.authorize),
    authorizeTimeoutMs: time("authorizeTimeoutMs", 5000, 1),
    log: checkLogBounds(options.log, { maxEntries: 4096, maxBytes: 4_194_304, maxAgeMs: 300_000 }),
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
    maxTopics: number("maxTopics", 100_000, 1),
    maxAskedTopics: number("maxAskedTopics", 100_000, 1),
    maxLogBytes: number("maxLogBytes", 268_435_456, 1_048_576),
    maxTopicsPerConnection: number("maxTopicsPerConnection", 32, 1, 1000),
    maxPositionLength: number("maxPositionLength", 4096, 64),
    maxMessageBytes: number("maxMessageBytes", 65_536, 1),
    isCallback: callbackTest(options.callbacks),
    cors: checkCors(options.cors),
    presence: {
      beatMs: assertInteger("presence.beatMs", options.presence?.beatMs ?? 2000, MIN_BEAT_MS, MAX_BEAT_MS),
      graceMs: assertInteger("presence.graceMs", options.presence?.graceMs ?? 5000, 0, MAX_TIMER_MS),
    },
    onOpen: assertFunction("onOpen", options.onOpen ?? nothing),
    onClose: assertFunction("onClose", options.onClose ?? nothing),
    onError: assertFunction("onError", options.onError ?? reportOnConsole),
  };
}

/** Checks the bounds of a log. @throws {CometError} `ERR_OPTION`. */
export function checkLogBounds(given: Partial<LogBounds> | undefined, fallback: LogBounds): LogBounds {
  return {
    maxEntries: assertInteger("log.maxEntries", given?.maxEntries ?? fallback.maxEntries, 1, 2 ** 24),
    maxBytes: assertInteger("log.maxBytes", given?.maxBytes ?? fallback.maxBytes, 1024, MAX),
    maxAgeMs: assertInteger("log.maxAgeMs", given?.maxAgeMs ?? fallback.maxAgeMs, 1, MAX_TIMER_MS),
  };
}

/** Checks a policy. @throws {CometError} `ERR_OPTION`. */
export function checkOverflow(policy: OverflowPolicy): OverflowPolicy {
  if (["resume", "skip", "latest"].includes(policy)) return policy;
  throw new CometError("ERR_OPTION", `overflow must be "resume", "skip" or "latest", not ${describe(policy)}.`);
}

/** Checks an identity, if there is one. @throws {CometError} `ERR_OPTION`. */
export function checkIdentity(identity: unknown): string | undefined {
  return checkField("identity", identity, "ERR_OPTION");
}

function checkBroker(broker: unknown): Broker | undefined {
  if (broker === undefined) return undefined;
  const isBroker = typeof broker === "object" && broker !== null && "attach" in broker && "publish" in broker;
  if (isBroker) return broker as Broker;
  const hint = broker instanceof Promise ? ", but it has not been awaited" : "";
  throw new CometError("ERR_OPTION", `broker must be a broker, not ${describe(broker)}${hint}.`);
}

function isHarmlessCallback(callback: string): boolean {
  return callback.length <= MAX_CALLBACK_LENGTH && harmless.test(callback);
}

const harmless = /^(?:console\.log|(?:parent\.)?comet[\w$]*)$/;

/** Returns the test of the callbacks that requests may name. @throws {CometError} `ERR_CALLBACK`, `ERR_OPTION`. */
function callbackTest(callbacks: unknown): (callback: string) => boolean {
  if (callbacks === undefined) return isHarmlessCallback;
  if (!Array.isArray(callbacks)) {
    throw new CometError("ERR_OPTION", `callbacks must be a list of callbacks, not ${describe(callbacks)}.`);
  }
  const allowed = new Set(callbacks.map(checkCallback));
  return (callback) => allowed.has(callback);
}

function checkCors(cors: HubOptions["cors"]): HubSettings["cors"] {
  if (cors === undefined) return undefined;
  const origins: unknown = cors.origins;
  if (!Array.isArray(origins) || !origins.every(isOrigin)) {
    const example = "https://example.com";
    throw new CometError("ERR_OPTION", `cors.origins must be a list of origins such as ${example}, without a path.`);
  }
  return { origins: new Set(origins), credentials: cors.credentials ?? false };
}

function isOrigin(text: unknown): text is string {
  return typeof text === "string" && URL.canParse(text) && new URL(text).origin === text;
}

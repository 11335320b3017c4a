import { CometError, describe } from "../core/errors.ts";
import { assertFunction, MAX_TIMER_MS, assertInteger } from "../core/options.ts";
import { reportOnConsole, type OnError } from "../core/on-error.ts";
import type { Broker } from "../log/broker.ts";
import type { LogBounds } from "../log/entry.ts";
import { checkCallback, MAX_CALLBACK_LENGTH } from "../wire/script-frame.ts";
import { checkField } from "../core/validate-field.ts";
import { MAX_BEAT_MS, MIN_BEAT_MS } from "./presence/signals.ts";
import type { CloseReason, OverflowPolicy, Subscription } from "./subscription.ts";

/** The part of a request that a hub reads. A web-standard `Request` is one. */
export interface HubRequest {
  readonly method: string;
  /** The address, or its path and query. */
  readonly url: string;
  readonly headers: { get(name: string): string | null };
}

/** How one topic is kept. */
export interface TopicOptions {
  /** The bounds of the topic's log; the hub's where they are not given. */
  readonly log?: Partial<LogBounds>;
  /** The hub's by default. */
  readonly overflow?: OverflowPolicy;
}

/** What an application says to a client that wants to follow topics: yes, no (403), or a status of its own choice. */
export type Authorization = boolean | 401 | 403 | 404;

/** How presence is known: who follows which topics, in all processes. */
export interface PresenceOptions {
  /**
   * How often processes tell one another that they are alive, while anybody asks: 2,000 by default, from 10 to 60,000. The
   * subscribers of one that has died count for at most three beats.
   */
  readonly beatMs?: number;
  /** How long an identity must be gone before that is told: 5,000 by default, from 0. */
  readonly graceMs?: number;
}

/** Options of a hub. All numbers are whole; times are in milliseconds, at most 2,147,483,647. */
export interface HubOptions {
  /**
   * Which names are topics, and how each is kept: `true` for the hub's own options, `false` for no topic. Asked whenever
   * a topic is brought to life. By default every well-formed name is one.
   */
  readonly topics?: (name: string) => boolean | TopicOptions;
  /**
   * Asked before the first byte of every stream. By default everybody may follow everything. A throw or rejection is told
   * to `onError`, and the client gets 500; no answer within `authorizeTimeoutMs` (5,000; from 1) gets 503.
   */
  readonly authorize?: (request: HubRequest, topics: readonly string[]) => Authorization | PromiseLike<Authorization>;
  readonly authorizeTimeoutMs?: number;
  /** The bounds of each topic's log: 4,096 entries (from 1), 4 MiB (from 1,024), 300,000 ms (from 1) by default. */
  readonly log?: Partial<LogBounds>;
  /**
   * What joins this hub to those of other processes, such as `await redisBroker(...)`; by default the hub is alone, and its logs are
   * in memory. A broker is one hub's, which closes it.
   */
  readonly broker?: Broker;
  /** `resume` by default. */
  readonly overflow?: OverflowPolicy;
  /** The longest silence on a connection: 15,000 by default, from 50; 0 for no heartbeats. */
  readonly heartbeatMs?: number;
  /** How long clients whose connection breaks are asked to wait before they come back: 2,000 by default. */
  readonly retryMs?: number;
  /** How long a poll may wait for a message: 25,000 by default, from 10. */
  readonly pollMs?: number;
  /** A connection is ended and comes back when it is so old, less up to a tenth at random: 600,000 by default, from 10. */
  readonly maxConnectionAgeMs?: number;
  /** A connection is ended and comes back after so many bytes: 256 MiB by default, from 1,024. */
  readonly maxConnectionBytes?: number;
  /** The same for comet, whose documents hold memory in the browser: 4 MiB by default, from 1,024. */
  readonly maxCometBytes?: number;
  /**
   * A client that has not taken what was last written to it in so long is cut off: 60,000 by default, from 10. That is at most some
   * 64 KiB beyond what the system's buffers hold, so a client may be slow.
   */
  readonly stallMs?: number;
  /** How long one turn of the event loop may be spent on sending before others have theirs: 10 by default, from 1. */
  readonly flushSliceMs?: number;
  /** 100,000 by default, from 1. */
  readonly maxConnections?: number;
  /** How many topics may be alive: 100,000 by default, from 1. Over it, those that nobody follows are forgotten early. */
  readonly maxTopics?: number;
  /** 32 by default, from 1 to 1,000. */
  readonly maxTopicsPerConnection?: number;
  /** The longest position that a client may send, in characters: 4,096 by default, from 64. */
  readonly maxPositionLength?: number;
  /** The largest message, its data as JSON in UTF-8: 65,536 by default, from 1. */
  readonly maxMessageBytes?: number;
  /**
   * The callbacks that the comet wire calls; anybody may name them in an address that a page of yours follows. By default
   * `console.log` and every name that begins with `comet`, such as `cometMessage`, alone or with `parent.` before it: none of
   * these is a function of the browser's own that would make something else of a message, as `eval` and `document.write` would.
   */
  readonly callbacks?: readonly string[];
  /** Other origins whose pages may follow topics, such as `https://example.com`; none by default. Never `*`. */
  readonly cors?: { readonly origins: readonly string[]; readonly credentials?: boolean };
  /** How it is known who follows a topic in other processes, and who leaves. */
  readonly presence?: PresenceOptions;
  /** Told of every subscription, once its first bytes are sent. */
  readonly onOpen?: (subscription: Subscription) => void;
  /** Told once of the end of every subscription that `onOpen` was told of. */
  readonly onClose?: (subscription: Subscription, reason: CloseReason) => void;
  /** Told what has no caller: a failing `authorize`, `onOpen`, `onClose` or connection. `console.error` by default. */
  readonly onError?: OnError;
}

/** How a handler answers one request: `nodeHandler`, `fetchHandler`. */
export interface RequestOptions {
  /** The topics to follow, instead of those that the request names. */
  readonly topics?: readonly string[];
  /** What becomes of this subscriber if it is too slow; the topic's policy by default. */
  readonly overflow?: OverflowPolicy;
  /** Who the client is, for `presence` of its topics: 1 to 200 characters without CR, LF, NUL and lone surrogates. Nobody by default. */
  readonly identity?: string;
  /** The `nonce` attribute of every script on the comet wire. */
  readonly nonce?: string;
  /** Headers of the stream, which replace those that are set by default. Of these a refusal has only `Content-Security-Policy`. */
  readonly headers?: HeadersInit;
}

/** {@link HubOptions}, checked and complete. */
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

/** @throws {CometError} `ERR_OPTION`. */
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

/** @throws {CometError} `ERR_OPTION`. */
export function checkLogBounds(given: Partial<LogBounds> | undefined, fallback: LogBounds): LogBounds {
  return {
    maxEntries: assertInteger("log.maxEntries", given?.maxEntries ?? fallback.maxEntries, 1, 2 ** 24),
    maxBytes: assertInteger("log.maxBytes", given?.maxBytes ?? fallback.maxBytes, 1024, MAX),
    maxAgeMs: assertInteger("log.maxAgeMs", given?.maxAgeMs ?? fallback.maxAgeMs, 1, MAX_TIMER_MS),
  };
}

/** @throws {CometError} `ERR_OPTION`. */
export function checkOverflow(policy: OverflowPolicy): OverflowPolicy {
  if (["resume", "skip", "latest"].includes(policy)) return policy;
  throw new CometError("ERR_OPTION", `overflow must be "resume", "skip" or "latest", not ${describe(policy)}.`);
}

/** @throws {CometError} `ERR_OPTION`. */
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

/** @throws {CometError} `ERR_CALLBACK`, `ERR_OPTION`. */
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

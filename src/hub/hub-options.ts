/**
 * The options that an application gives a hub.
 *
 * All names are public. `hub-settings.ts` checks them. A change of a range, a default or a code is visible to users:
 * `docs/options.md`, section 8 of PROTOCOL.md and the changelog state them too.
 */

import type { OnError } from "../core/on-error.ts";
import type { Broker } from "../log/broker.ts";
import type { LogBounds } from "../log/entry.ts";
import type { PresenceOptions } from "./presence/presence-options.ts";
import type { Authorization, HubRequest, OverflowPolicy } from "./request-options.ts";
import type { CloseReason, Subscription } from "./subscription.ts";
import type { TopicOptions } from "./topic-options.ts";

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
   * Decides whether a client may follow topics, and for how long, before the first byte of every stream. It is called
   * before `topics`, so a client that it refuses does not learn which names exist. {@link Authorization} has its answers.
   *
   * If it throws or rejects, `onError` gets the error and the client gets 500. If it takes longer than
   * `authorizeTimeoutMs`, the client gets 503.
   *
   * @param context The `context` that the handler gave with this request.
   * @default every client may follow every topic
   * @example
   * ```ts
   * new Hub({ authorize: (request, topics) => (isSignedIn(request) ? topics.every(mayFollow) : 401) });
   * ```
   */
  readonly authorize?: (
    request: HubRequest,
    topics: readonly string[],
    context: unknown,
  ) => Authorization | PromiseLike<Authorization>;
  /** The time limit of `authorize` in milliseconds, from 1. @default 5000 */
  readonly authorizeTimeoutMs?: number;
  /**
   * The bounds of each topic's log.
   *
   * @default { maxEntries: 4096, maxBytes: 4_194_304, maxAgeMs: 300_000 }
   */
  readonly log?: Partial<LogBounds>;
  /**
   * The bounds to which the broker keeps each topic, which may be much wider than those of the log in memory. A client
   * that is behind the log is sent the older messages from the broker. Only with a broker.
   *
   * @default the bounds of the topic's log
   */
  readonly history?: Partial<LogBounds>;
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
   * The shortest reconnection delay in milliseconds that the hub announces to an `EventSource` (`retry:` on the plain SSE
   * wire), from 0. Each connection is given a random one, from this to twice as much.
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
   * Sources of `publishFrom` and `produce` that never wait take this time as well, all together.
   *
   * @default 10
   */
  readonly flushSliceMs?: number;
  /**
   * Whether streams are compressed with gzip, for clients that accept it. Each message is compressed once for all
   * subscribers of a topic on a wire. Polls are never compressed.
   *
   * `true` compresses the streams that follow a single topic. A function decides for each stream by its topics. Do not
   * let it allow a stream of two topics if a client may publish to one of them and must not guess what is in the other:
   * sizes reveal contents. docs/compression.md says when it pays. Where the runtime lacks the zlib of Node and Bun,
   * everything is sent plain.
   *
   * The byte limits of the other options count uncompressed bytes.
   *
   * @default false
   * @throws {CometError} `ERR_OPTION` for anything else. A function that throws, or returns no boolean, goes to
   *   `onError`, and the client gets 500.
   * @example
   * ```ts
   * new Hub({ compression: (topics) => topics.every((topic) => topic.startsWith("price:")) });
   * ```
   */
  readonly compression?: boolean | ((topics: readonly string[]) => boolean);
  /**
   * The highest number of connections, from 1. Further requests get 503 (`ERR_LIMIT`). The place of a client that the
   * hub has asked to reconnect at once, as when it recycles it, stays reserved for 5 s for clients that resume, if the
   * client had held it as long.
   *
   * @default 100_000
   */
  readonly maxConnections?: number;
  /**
   * The highest number of connections with one identity, from 1. Further requests get 429 (`ERR_RATE`). A waiting poll
   * is a connection too.
   *
   * @default no limit
   */
  readonly maxConnectionsPerIdentity?: number;
  /**
   * The highest number of connections from one IP address, from 1. Further requests get 429 (`ERR_RATE`). The addresses
   * of an IPv6 `/64` count as one. Clients whose address is unknown are not limited.
   *
   * @default no limit
   */
  readonly maxConnectionsPerAddress?: number;
  /**
   * The highest number of requests from one IP address in a second, from 1. Further requests get 429 (`ERR_RATE`), and
   * `authorize` is not called for them. Preflights are not counted. Addresses are as with `maxConnectionsPerAddress`.
   *
   * @default no limit
   */
  readonly maxRequestsPerSecondPerAddress?: number;
  /**
   * The proxies whose `X-Forwarded-For` or `Forwarded` header the hub believes, as IP addresses or ranges such as
   * `10.0.0.0/8`. A client's address is then the rightmost one that is not in the list.
   *
   * List every proxy between the clients and this process, and nothing else: what is listed can claim any address.
   *
   * @default []: the address is that of the connection
   */
  readonly trustedProxies?: readonly string[];
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
   * their encoded and compressed frames. Beyond it, the frames that were read longest ago go first, since they can be
   * encoded again.
   * Then the messages that were published longest ago go, from whichever topic; a client that comes back for them gets a
   * `gap`.
   *
   * @default 268_435_456
   */
  readonly maxLogBytes?: number;
  /**
   * The highest number of topics that one connection follows, from 1 to 1,000. A query may have 64 other parameters
   * (`ERR_QUERY`).
   *
   * @default 32
   */
  readonly maxTopicsPerConnection?: number;
  /**
   * The longest position that a client may send, in characters, from 64. A query may have four times as many and 8,192
   * more (`ERR_QUERY`).
   *
   * @default 4096
   */
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

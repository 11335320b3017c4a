/**
 * The contract between a hub and a broker, which joins the hubs of several processes.
 *
 * The types below are public. Redis, NATS, the memory broker and brokers of users implement them, and the contract
 * suite in `test/broker` proves each duty. Do not weaken, add or reword a duty here alone: `docs/brokers.md` has the
 * same sentences, and a test compares them.
 */

import type { CometError } from "../core/errors.ts";
import type { LogBounds } from "./entry.ts";
import type { Position } from "./position.ts";

/** A message on its way to the broker. */
export interface BrokerPublication {
  /** The data as JSON, with `<`, `&`, U+2028 and U+2029 escaped. A broker returns it unchanged. */
  readonly json: string;
  readonly event: string | undefined;
  readonly key: string | undefined;
  readonly messageId: string | undefined;
  /** The size of `json` in UTF-8 bytes, as it counts toward the bounds. */
  readonly bytes: number;
  /** How the topic ends, as JSON, if this is its last entry. `json` is empty then, and `bytes` is 0. */
  readonly ended?: string | undefined;
  /** The producer's lease that must be in force, or the message is not published. */
  readonly fence?: string | undefined;
  /** The number of messages that the producer has sent before it with its lease. */
  readonly order?: number | undefined;
}

/** The bounds that a broker trims a topic to. */
export interface TopicBounds extends LogBounds {
  /**
   * The time in milliseconds that the topic is kept after its end. Set if it is a topic that ends; `maxAgeMs` is Infinity
   * then.
   */
  readonly ttlMs?: number | undefined;
}

/** A message as a broker holds it. */
export interface BrokerMessage extends Omit<BrokerPublication, "bytes" | "fence" | "order"> {
  /** The number of the message in its topic. Offsets grow; only a dense broker leaves none out. */
  readonly offset: number;
  /** The time of publication by the broker's clock, in milliseconds since 1970. */
  readonly at: number;
  /**
   * Why this stored entry is not a message, if another program has written it. Only `offset` counts then: `at` is 0,
   * `json` is empty, and the hub skips the entry as a gap.
   */
  readonly fault?: string;
}

/** A notification of one published message. Every process that listens to the topic gets it. */
export interface Notice {
  readonly epoch: string;
  /**
   * The offset of the message before this one in its epoch; 0 if there was none, or if the broker no longer knows it.
   */
  readonly previous: number;
  readonly message: BrokerMessage;
}

/** A broker's answer to `read`: one page of a topic's messages, and the extent of all that it holds. */
export interface History {
  readonly epoch: string;
  /**
   * The highest offset up to which messages may be gone; 0 if none is gone. All messages after it are held.
   *
   * It makes no statement about messages that were not asked for. It is at most the requested offset if, as far as is
   * known, no message after that offset is gone.
   */
  readonly floor: number;
  /** The offset of the newest message ever published in this epoch, as far as the broker knows; at least `floor`. */
  readonly head: number;
  /**
   * The messages after the requested offset, oldest first: all of them, or as many as make one page. A page has at
   * least one message if there is one. A reader that has not reached `head` asks again; an empty page means that there
   * are no more.
   */
  readonly messages: readonly BrokerMessage[];
  /** The broker's clock, in milliseconds since 1970. */
  readonly now: number;
  /**
   * Set if it is a topic that ends and has begun: a hub has published to it with `ttlMs`, or has acquired its lease. Only
   * of a broker with `finite`.
   */
  readonly finite?: FiniteState | undefined;
}

/** What a broker knows of a topic that ends. */
export interface FiniteState {
  /** The time in milliseconds that it is kept after its end. */
  readonly ttlMs: number;
  /** The offset after which it has begun: 0, or one that no message of an earlier topic of its name exceeds. */
  readonly begunAfter: number;
  /**
   * Whether it has ended and is no longer kept. A broker MAY forget that as well: the topic has not begun then.
   */
  readonly isExpired: boolean;
}

/** A request for a producer's lease. */
export interface LeaseRequest {
  /** A name of the lease that no other one has. A repeated request with it has the same answer. */
  readonly fence: string;
  /** The time in milliseconds until the lease lapses, unless it is renewed. */
  readonly leaseMs: number;
  /** Whether to remove what the topic has from before, and to begin it anew. */
  readonly restart: boolean;
}

/**
 * The answer to a request for a lease. `held`: another producer has it, or had it until it lapsed and the topic has not
 * ended yet. `ended`: the topic has ended and is kept.
 */
export type LeaseAnswer = "acquired" | "held" | "ended";

/**
 * The part of a broker that keeps topics that end, and the leases of their producers: at most one producer of each topic
 * has a lease in force. A broker without this part has no `finite`, and a hub refuses such topics with `ERR_BROKER_CONFIG`.
 *
 * A broker with it
 *
 * - MUST publish nothing to a topic after its end: it rejects with `ERR_ENDED`. It resolves to the position of the first
 *   message if that had the same `messageId`.
 * - MUST keep the end and all messages within the bounds until `ttlMs` after the end. The end does not count toward the
 *   bounds. A topic that has not ended is kept for at least a day after its last message or renewal. Neither lasts longer
 *   than `maxKeptMs`.
 * - MUST begin a topic anew, as if it had never been, with the first message or lease after it is deleted or expired.
 * - MUST reject a message with a `fence` with `ERR_PRODUCER_LOST`, unless that lease is in force. A lease is in force until
 *   it lapses by the broker's clock, the topic ends or is deleted, or `settle` has ended the topic. A broker whose server
 *   cannot compare clocks MAY keep it in force until `settle` finds it lapsed.
 * - MUST reject a message with an `order` with `ERR_PRODUCER_LOST`, unless exactly so many messages were published with its
 *   lease. So none is published after one that was sent before it and is missing.
 * - MUST keep the state and the lease of a topic that has not ended over `renew`, and delete one that has ended.
 */
export interface FiniteTopics {
  /** The longest time in milliseconds for which a message is kept, from its publication; Infinity if there is none. */
  readonly maxKeptMs: number;

  /**
   * Acquires the lease of a topic's only producer, and notes that the topic has begun.
   *
   * @returns Rejects with `ERR_BROKER` if the lease is not acquired, and with `ERR_UNACKNOWLEDGED` if it may be.
   */
  acquire(topic: string, request: LeaseRequest, bounds: TopicBounds): Promise<LeaseAnswer>;

  /**
   * Puts off the time at which a lease lapses to `leaseMs` from now.
   *
   * @returns Rejects with `ERR_PRODUCER_LOST` if the lease is no longer in force.
   */
  renewLease(topic: string, fence: string, leaseMs: number): Promise<void>;

  /**
   * Ends a topic whose producer's lease has lapsed. Of several processes that call it, one publishes the end.
   *
   * @param end The end to publish.
   * @returns Resolves to the time in milliseconds until the lease lapses unless it is renewed; to `undefined` if there is no
   *   lease: the topic has ended, as it has after this, or has no producer.
   */
  settle(topic: string, end: BrokerPublication, bounds: TopicBounds): Promise<number | undefined>;

  /**
   * Deletes a topic with its messages, its end and its lease. Listeners are not notified.
   *
   * @returns Resolves to the position of its newest entry; `undefined` if there was none.
   */
  delete(topic: string): Promise<Position | undefined>;
}

/**
 * The part of a broker that publishes in transactions of the application, if its server keeps the application's data as well. A broker
 * without this part has no `transactional`, and a hub refuses the option `transaction` of `publish` with `ERR_OPTION`.
 *
 * A broker with it
 *
 * - MUST publish a message that it received with a transaction if and only if that transaction commits, with all duties of a message
 *   that `publish` receives. It assigns the offset at the commit, so that no reader misses a message that commits late.
 * - MUST make the commit fail if the topic has ended by then. It skips a message silently whose `messageId` it has received before.
 */
export interface TransactionalTopics {
  /**
   * Adds a message to a transaction. Neither the end of a topic nor a `fence` is passed.
   *
   * @param transaction What the application has passed to `publish`: its handle of the transaction.
   * @returns Resolves when the message is part of the transaction. Rejects with `ERR_OPTION` if that is no handle of one, with `ERR_BROKER`
   *   if the server refuses the message, with `ERR_UNACKNOWLEDGED` if it does not answer, and with `ERR_CLOSED`.
   */
  publish(transaction: unknown, topic: string, message: BrokerPublication, bounds: TopicBounds): Promise<void>;
}

/**
 * The hub's side of the contract. A broker calls these methods from a turn of its own, never from within one of its own
 * methods.
 */
export interface BrokerHost {
  /**
   * The connection is lost. Notices may be missed from now on. The broker keeps reconnecting, and `restored` follows.
   */
  lost(error: unknown): void;
  /** The connection is restored, and every topic that was listened to is listened to again. */
  restored(): void;
  /** A process has called `signal`; it may be this one. */
  signalled(text: string): void;
  /**
   * The broker has ignored content of its server that no hub has written and that has no offset. The hub reports each
   * error to `onError` once, by its message.
   */
  ignored(error: CometError): void;
}

/**
 * Orders and keeps the messages of topics for several processes, each of which has a hub. A hub keeps a replica of
 * the newest messages of every topic that is followed there. It fills the replica by `read` and `listen`, and serves
 * its clients from it.
 *
 * A broker
 *
 * - MUST put all messages of a topic, from all processes, into one order with growing offsets, and give every process
 *   the same offsets.
 * - MUST keep the order of messages that one process publishes to a topic one after the other, without waiting.
 * - MUST hold a message when `publish` resolves: every `read` that begins afterwards, in any process, returns it, until
 *   it is trimmed.
 * - MUST reject `publish` with `ERR_BROKER` only if the message is not published and never will be, and with
 *   `ERR_UNACKNOWLEDGED` if it cannot know.
 * - MUST NOT publish a second message with a `messageId` that it received for that topic within the last `maxAgeMs`,
 *   or `ttlMs` of a topic that ends, whether it still holds the first or not. It resolves to the position of the first.
 * - MUST trim a topic to its bounds, oldest first, and drop nothing else. It MAY hold a sixteenth or 256 messages more,
 *   and forget a topic that is empty and has no listener.
 * - MUST state in `floor` which messages may be gone. It MUST begin another epoch if messages that it has acknowledged
 *   or notified are gone from the newer end, as after a crash, as far as it can know; `renew` covers the rest.
 * - MUST NOT notify a listener of a message twice, or of messages in another order than that of their offsets. It MAY
 *   miss some if a later notice shows the loss by its `previous` or its `epoch`, or if it calls `restored`. While it is connected, it
 *   notifies of the newest message.
 * - MUST check all that its server returns. An entry that no hub has written has a `fault` in its place in `read` and
 *   in notices, or goes to `ignored` if it has no offset. It MUST NOT fail a call or cost the connection.
 * - MUST settle every promise within a time limit of its own, and reject with an error that names the cause:
 *   `ERR_BROKER` where the network or the server fails.
 * - MUST reconnect by itself after a failure, with backoff and jitter. It MUST NOT let its buffers grow meanwhile: it
 *   rejects what it cannot send at once, and while it is disconnected it rejects immediately.
 * - MUST reject every call after `close` with `ERR_CLOSED`, except `signal`, `unlisten` and `close`, which do nothing.
 */
export interface Broker {
  /** A short name for messages and statistics: `redis`, `nats`. */
  readonly name: string;
  /** Whether the offsets of each topic are 1, 2, 3 ..., so that missing messages can be counted. */
  readonly isDense: boolean;
  /** The part that keeps topics that end, if the broker has it. */
  readonly finite?: FiniteTopics | undefined;
  /** The part that publishes in transactions of the application, if the broker has it. */
  readonly transactional?: TransactionalTopics | undefined;

  /** Attaches the hub that the broker calls back. Called once, before every other method. */
  attach(host: BrokerHost): void;

  /**
   * Adds a message to a topic, and trims the topic.
   *
   * @returns Resolves to the message's position once the broker holds it. Rejects with `ERR_BROKER`,
   *   `ERR_UNACKNOWLEDGED` or `ERR_CLOSED`, as the duties demand; and with the codes of `FiniteTopics`.
   */
  publish(topic: string, message: BrokerPublication, bounds: TopicBounds): Promise<Position>;

  /**
   * Reads the messages after an offset, as of now.
   *
   * @param after The offset of the last message that the caller has; 0 for none.
   * @param current The number of milliseconds since the caller certainly had every message up to `after`, or more;
   *   Infinity if that is unknown. A broker that forgets the offsets of trimmed messages may conclude from it that no
   *   message is gone.
   */
  read(topic: string, after: number, bounds: TopicBounds, current: number): Promise<History>;

  /**
   * Notifies `listener` of every message that is published to a topic after this resolves. Called once for each topic.
   */
  listen(topic: string, listener: (notice: Notice) => void): Promise<void>;

  /** Stops `listen`. The listener is not called again once this returns. */
  unlisten(topic: string): void;

  /**
   * Begins another, empty epoch in a topic whose epoch is still `epoch`, so that clients of the old epoch do not get
   * its messages again. Offsets continue or start anew.
   *
   * A hub calls it when it sees that the broker has lost its newest messages. A broker whose topics share one epoch
   * renews them all.
   */
  renew(topic: string, epoch: string): Promise<void>;

  /** Best-effort broadcast to every process, this one included. A disconnected process misses it. */
  signal(text: string): void;

  /** Closes every connection that the broker opened. It makes no calls afterwards. */
  close(): Promise<void>;
}

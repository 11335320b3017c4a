/**
 * The public vocabulary of topics: publishing, reading and presence.
 *
 * All names are public. The rooms `topics` and `presence` implement them, and `hub.ts` joins them into a `Topic`.
 */

import type { Enumerator } from "../stream/enumerator.ts";
import type { Outcome } from "../wire/item.ts";
import type { JsonValue } from "../wire/json.ts";
import type { StreamPublishing } from "./published-streams.ts";

/** Options of a message beside its data. Each is 1 to 200 characters without CR, LF, NUL and lone surrogates. */
export interface PublishOptions {
  /**
   * The event name, by which an `EventSource` selects its listeners. It must not begin with `comet:`, nor be the name of
   * an event of the clients: `open`, `error`, `close`, `gap`, `ended` or `missing`.
   */
  readonly event?: string;
  /**
   * The subject of the message: a newer message with the same key makes this one stale. The policy `latest` uses it.
   */
  readonly key?: string;
  /**
   * The application's own id, for idempotent retries.
   *
   * The hub does not publish a message again whose id the log still holds, nor, with a broker, one whose id was
   * published within the log's `maxAgeMs`. So a publisher that does not know whether it succeeded may retry.
   */
  readonly messageId?: string;
}

/** Options of a message that is published in a transaction of the application. */
export interface TransactionPublishOptions extends PublishOptions {
  /**
   * The application's transaction, in the form that the hub's broker takes: with `postgresBroker`, the client of `pg` on which `BEGIN` was
   * run.
   */
  readonly transaction: object;
}

/** A message as `messages` emits it. */
export interface TopicMessage<Sent> extends PublishOptions {
  /** The topic's position after this message. */
  readonly position: string;
  /**
   * The number of messages that the reader asked for and that the log no longer has, or `null` if it is unknown. Only on
   * the first message of a reader that began at `oldest`, `last:N` or `since:TIME`; absent if no message is missing.
   */
  readonly missed?: number | null;
  readonly data: Sent;
}

/** Options of `end`. */
export interface EndOptions {
  /** The outcome. @default "complete", or "failed" if there is an `error` */
  readonly outcome?: Outcome;
  /**
   * Why the topic failed. Readers see the `code` (1 to 200 characters) and the `message` (up to 1,000) of a plain object.
   * Of an `Error` and of any other value they see neither, since its text may tell strangers about the server: they get
   * `ERR_FAILED` and a fixed sentence.
   */
  readonly error?: unknown;
}

/** Options of `messages`. */
export interface MessagesOptions {
  /**
   * The start:
   *
   * - `newest`: messages published from then on.
   * - `oldest`: all messages of the topic.
   * - `last:N`: the N newest messages, from 1 to 16,777,216, and those published from then on.
   * - `since:TIME`: messages published at this time or later. TIME is a date and time of RFC 3339 such as
   *   `2026-11-28T12:00:00Z`, or a number of milliseconds since 1970. A time in the future is `newest`.
   * - A position of this topic: all messages after it.
   *
   * @default "newest", or "oldest" of a topic that ends
   */
  readonly from?: string;
}

/** The subscribers of a topic at one moment, in all processes. A copy: it does not change later. */
export interface Presence {
  /** The number of subscribers, with and without an identity. */
  readonly subscribers: number;
  /** The number of subscribers of each identity. */
  readonly identities: ReadonlyMap<string, number>;
}

/** A change of presence: an identity has joined a topic or left it, in any process. */
export interface PresenceChange {
  /**
   * `join`: the identity's first subscriber has connected. `leave`: its last one has disconnected, and none has
   * connected for `presence.graceMs`.
   */
  readonly type: "join" | "leave";
  readonly identity: string;
  /** The number of the topic's subscribers now, with and without an identity. */
  readonly subscribers: number;
}

/** A named, ordered sequence of messages. `hub.topic` returns it. */
export interface Topic<Message, Sent = Message> extends StreamPublishing<Message> {
  readonly name: string;

  /**
   * Publishes a message in a transaction of the application: if and only if that transaction commits, and in the order of commits.
   *
   * It resolves to `undefined` when the message is part of the transaction, since its position is known only after the commit. The commit
   * skips a message silently whose `messageId` was published before. The commit fails if the topic has ended by then: with
   * `postgresBroker`, by an error with the SQLSTATE `CM410` and the message `ERR_ENDED: ...`, and the whole transaction is rolled back.
   *
   * @returns Rejects with `ERR_OPTION` if the hub has no broker, or one without transactions, or if `transaction` is no transaction of it;
   *   with `ERR_BROKER`, which has the server's error as `cause`, if the message is not part of the transaction, which has failed then; with
   *   `ERR_UNACKNOWLEDGED` if the server does not answer: roll the transaction back.
   * @throws {CometError} At once, as without a transaction: `ERR_ENCODER`, `ERR_MESSAGE`, `ERR_CLOSED`.
   * @example
   * ```ts
   * await client.query("BEGIN");
   * await client.query("UPDATE account SET balance = balance - $1 WHERE id = $2", [amount, from]);
   * await transfers.publish({ from, amount }, { transaction: client });
   * await client.query("COMMIT");
   * ```
   */
  publish(message: Message, options: TransactionPublishOptions): Promise<undefined>;

  /**
   * Publishes a message: every subscriber on every wire gets it, after all messages published before it.
   *
   * The message is encoded at once, so later changes of the object have no effect. Subscribers are sent it in the next
   * turn of the event loop.
   *
   * @returns Resolves to the topic's position after this message, once the hub holds it. While half of the log is unsent
   *   to subscribers that read, it resolves later, so that a publisher that awaits does not outrun them. It waits for
   *   those that have fallen behind for 1 s at most, and then not again until another half log is published; never for
   *   one that has taken nothing for 1 s. Messages that are not awaited, and exceed the log's bounds in one turn, pass
   *   subscribers, which get what their policy says. With a broker it resolves once the broker holds the message. It
   *   rejects with `ERR_BROKER` if
   *   the message is not published, because the broker is away, rejects it, or has not acknowledged 10,000 messages or
   *   16 MiB; with `ERR_ENDED` after the topic's end; with `ERR_UNACKNOWLEDGED` if that is unknown: retry with the same `messageId`; with `ERR_BROKER_CONFIG`
   *   if the broker is set up wrongly.
   * @throws {CometError} At once: `ERR_ENCODER` for data that is not JSON; `ERR_MESSAGE` if it is larger than the hub's
   *   `maxMessageBytes` or has a bad event, key or id; `ERR_OPTION` if the topic is declared as finite and has messages
   *   that were published to it as an endless one; `ERR_LIMIT` if there are `maxTopics` with messages, all followed; `ERR_CLOSED` after the
   *   hub's `close`.
   * @example
   * ```ts
   * const position = await news.publish({ title: "Comet returns" }, { key: "comet", messageId: "story-1" });
   * ```
   */
  publish(message: Message, options?: PublishOptions): Promise<string>;

  /**
   * Ends this topic, which must be a finite one. Its readers get what was published before, and then the outcome.
   *
   * From then on `publish` and `end` reject with `ERR_ENDED`. The log is kept for `ttlMs`, so that later readers get the
   * whole topic. Then its name expires, and may begin anew with another `publish`.
   *
   * @returns Resolves to the topic's position after the end. Rejects with `ERR_ENDED` if it has ended before.
   * @throws {CometError} At once: `ERR_OPTION` for an endless topic and for bad options; `ERR_LIMIT` and `ERR_CLOSED` as
   *   `publish`.
   * @example
   * ```ts
   * const report = hub.topic<string>("report:7", { finite: true });
   * for (const row of rows) await report.publish(row);
   * await report.end();
   * ```
   */
  end(options?: EndOptions): Promise<string>;

  /**
   * Removes this topic with all messages, in all processes that share a broker. Its readers get an item `missing` (404), and `messages` fails with
   * `ERR_TOPIC_UNKNOWN`. The name may be used again: it begins another epoch.
   *
   * @returns Resolves when it is removed; other processes notice soon after. Rejects with `ERR_BROKER_CONFIG` if the
   *   hub's broker cannot delete, with `ERR_BROKER` if it cannot be reached, and with `ERR_UNACKNOWLEDGED` if it has not
   *   answered: delete it again then.
   * @throws {CometError} `ERR_CLOSED` after the hub's `close`.
   */
  delete(): Promise<void>;

  /**
   * Reads the messages of this topic on the server, from the log, at the reader's pace. Nothing is queued for the
   * reader.
   *
   * Each run of the enumerator starts where `from` says. It ends when the topic has ended, when the hub is closed, or
   * when the reader stops it.
   *
   * A log is bounded, so it may lack some of the messages that `from` asks for. After a position the reader then fails,
   * since it relies on every message. From `oldest`, `last:N` and `since:TIME` it gets all that the log holds, and
   * `missed` on the first message counts the others.
   *
   * @throws {CometError} To the reader: `ERR_FAILED` if the topic has failed; `ERR_TOPIC_UNKNOWN` if it is deleted;
   *   `ERR_OPTION` for a bad `last:N` or `since:TIME`; `ERR_POSITION` if `from` is neither a start nor a position in this
   *   topic; `ERR_OVERFLOW` if the log has passed the reader, or does not hold the messages after a position;
   *   `ERR_BROKER` if the broker cannot be read; `ERR_LIMIT` if there are too many topics.
   * @example
   * ```ts
   * for await (const { position, data } of news.messages({ from: "oldest" })) await archive(position, data);
   * ```
   */
  messages(options?: MessagesOptions): Enumerator<TopicMessage<Sent>>;

  /**
   * Reads the position of this topic now: after every message whose `publish` had resolved before the call.
   *
   * A page is rendered with its state, and then follows the topic: read the position first, then the state, and start
   * the page's client at the position, by the parameter `lastEventId` of its URL. No message falls between. With a
   * broker the position is after every message that the broker holds, from all processes. It is valid for as long as the
   * log, which starts anew if the topic is evicted.
   *
   * @returns Rejects with `ERR_BROKER` if the broker cannot be read, with `ERR_LIMIT` if there are too many topics, and
   *   with `ERR_CLOSED` after the hub's `close`.
   * @example
   * ```ts
   * const position = await orders.position();
   * const state = await database.orders();
   * const url = `/live?topic=orders&lastEventId=${encodeURIComponent(position)}`;
   * ```
   */
  position(): Promise<string>;

  /**
   * Counts the subscribers of this topic now, in all processes, by the identity that `RequestOptions.identity` gave
   * them.
   *
   * Without a broker it counts at once. With a broker the first call for a topic takes half a second, or until every
   * known process has answered, a second at most. From then on the topic is kept up to date and calls resolve at once,
   * until 15 beats (`presence.beatMs`) after the last one.
   *
   * @returns Rejects with `ERR_CLOSED` after the hub's `close`, and with `ERR_LIMIT` if this process asks for more than
   *   10,000 topics.
   * @example
   * ```ts
   * const { subscribers, identities } = await room.presence();
   * console.log(`${subscribers} subscribers, among them ${[...identities.keys()].join(", ")}`);
   * ```
   */
  presence(): Promise<Presence>;

  /**
   * Emits the identities that join and leave this topic, in all processes, starting when `presence` would have
   * resolved.
   *
   * An identity that reconnects within `presence.graceMs` has not left. Subscribers without an identity are not
   * emitted. A reader that starts as soon as `presence()` has resolved misses no change. It ends when the hub is
   * closed.
   *
   * @throws {CometError} To the reader: `ERR_OVERFLOW` if 100,000 changes wait for it, `ERR_LIMIT` as `presence`.
   * @example
   * ```ts
   * for await (const { type, identity } of room.presenceChanges()) console.log(`${identity}: ${type}`);
   * ```
   */
  presenceChanges(): Enumerator<PresenceChange>;
}

/** Options of a topic where the application makes it. */
export interface TopicDeclaration {
  /**
   * Whether the topic ends. Only where the hub's `topics` leaves that open by answering `true`.
   *
   * @default what the hub's `topics` says; endless by default
   */
  readonly finite?: boolean;
  /** The time in milliseconds, from 1, that it is kept after its end. Only with `finite`. @default the hub's `log.maxAgeMs` */
  readonly ttlMs?: number;
}

/** The encoder of a topic whose messages are neither strings nor JSON. */
export interface TopicEncoder<Message, Sent extends JsonValue> extends TopicDeclaration {
  /** Returns the string or JSON value that is sent for a message. Called once for each `publish`. */
  readonly encoder: (message: Message) => Sent;
}

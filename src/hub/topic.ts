/**
 * The public vocabulary of topics: publishing, reading and presence.
 *
 * All names are public. The rooms `topics` and `presence` implement them, and `hub.ts` joins them into a `Topic`.
 */

import type { Enumerator } from "../stream/enumerator.ts";
import type { Source } from "../stream/sources/from.ts";
import type { Outcome } from "../wire/item.ts";
import type { IfJsonable, JsonValue } from "../wire/json.ts";

/** Options of a message beside its data. Each is 1 to 200 characters without CR, LF, NUL and lone surrogates. */
export interface PublishOptions {
  /** The event name, by which an `EventSource` selects its listeners. It must not begin with `comet:`. */
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

/** A message as `messages` emits it. */
export interface TopicMessage<Sent> extends PublishOptions {
  /** The topic's position after this message. */
  readonly position: string;
  readonly data: Sent;
}

/** Options of `messages`. */
export interface MessagesOptions {
  /**
   * The start: `newest` for messages published from then on, `oldest` for all that the log holds, or a position of this
   * topic.
   *
   * @default "newest"
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
export interface Topic<Message, Sent = Message> {
  readonly name: string;

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
   *   16 MiB; with `ERR_UNACKNOWLEDGED` if that is unknown: retry with the same `messageId`; with `ERR_BROKER_CONFIG`
   *   if the broker is set up wrongly.
   * @throws {CometError} At once: `ERR_ENCODER` for data that is not JSON; `ERR_MESSAGE` if it is larger than the hub's
   *   `maxMessageBytes` or has a bad event, key or id; `ERR_LIMIT` if there are `maxTopics` with messages, all followed; `ERR_CLOSED` after the
   *   hub's `close`.
   * @example
   * ```ts
   * const position = await news.publish({ title: "Comet returns" }, { key: "comet", messageId: "story-1" });
   * ```
   */
  publish(message: Message, options?: PublishOptions): Promise<string>;

  /**
   * Reads the messages of this topic on the server, from the log, at the reader's pace. Nothing is queued for the
   * reader.
   *
   * Each run of the enumerator starts where `from` says. It ends when the hub is closed, or when the reader stops it.
   *
   * @throws {CometError} To the reader: `ERR_POSITION` if `from` is not a position in this topic; `ERR_OVERFLOW` if the
   *   log has passed the reader, or does not hold the messages after `from`; `ERR_BROKER` if the broker cannot be read;
   *   `ERR_LIMIT` if there are too many topics.
   * @example
   * ```ts
   * for await (const { position, data } of news.messages({ from: "oldest" })) await archive(position, data);
   * ```
   */
  messages(options?: MessagesOptions): Enumerator<TopicMessage<Sent>>;

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

/** The encoder of a topic whose messages are neither strings nor JSON. */
export interface TopicEncoder<Message, Sent extends JsonValue> {
  /** Returns the string or JSON value that is sent for a message. Called once for each `publish`. */
  readonly encoder: (message: Message) => Sent;
}

/** Options of `publishFrom`. */
export interface PublishFromOptions {
  /** When it aborts, the source is closed, and a finite topic ends as `stopped`. */
  readonly signal?: AbortSignal;
}

/** Options of `produce`. */
export interface ProduceOptions {
  /**
   * Whether to begin the topic anew if it has ended, or is being produced. A producer that runs is stopped first. The
   * former messages are removed, and positions in them are unknown from then on.
   *
   * @default false
   */
  readonly restart?: boolean;
}

/** The outcome of a stream that was published into a topic: the result of `publishFrom` and `produce`. */
export interface StreamOutcome {
  /**
   * `complete`: the source has ended. `stopped`: it was stopped, by a signal, by `hub.stop` or by `topic.end`.
   * `failed`: the topic says so to its readers.
   */
  readonly outcome: Outcome;
  /** Why it failed, as readers see it; only with `failed`. */
  readonly code?: string;
  readonly message?: string;
  /**
   * The topic's position after the end or, if the topic is endless, after the last message. `undefined` if the source
   * emitted nothing and the topic is a broker's.
   */
  readonly position: string | undefined;
}

/** The part of a `Topic` that publishes whole streams. */
export interface StreamPublishing<Message> {
  /**
   * Publishes the elements of a source as messages, in order, and ends a finite topic with it.
   *
   * The source is an `Enumerator`, an iterable, an async iterable, a `ReadableStream` or an observable. It is pulled on
   * demand: while half of the log is unsent to subscribers that read, it waits as an awaited `publish` does. Absent and
   * stalled subscribers never hold it. Elements that are ready in one turn of the event loop are flushed together. A
   * source that never waits takes at most the hub's `flushSliceMs` of each turn, shared with all other sources. With a
   * broker at most 64 messages of a source await its acknowledgement.
   *
   * A finite topic ends as `complete` when the source ends, as `failed` when it fails, and as `stopped` when `signal`
   * aborts. Readers get the code `ERR_FAILED` and a fixed text in place of an error's own. When `hub.close` interrupts the
   * source, they get `ERR_PRODUCER_LOST`. An endless topic stays open in all cases. The topic is kept alive meanwhile,
   * with and without subscribers.
   *
   * The hub closes the source exactly once: after its end or failure, when a message cannot be published, when `signal`
   * aborts (a source is then closed unread if it has aborted already), when the topic ends or is deleted meanwhile, and at
   * `hub.close`. An error of the clean-up fails the stream if the source had ended, goes to `onError` if it was stopped,
   * and is dropped if the source had failed.
   *
   * @returns Resolves when the last message and the end are published: after the source's clean-up if the source ended
   *   by itself, without waiting for it if it was stopped. Being stopped is an outcome, not an error, whether `signal`,
   *   `topic.end` or `hub.stop` stopped it; if other code ended the topic, the outcome is that end's. It rejects with the
   *   error of the source; with `ERR_ENDED` if the topic had ended before the call; with `ERR_ENCODER`, `ERR_MESSAGE` and
   *   any error of the encoder for an element; with `ERR_LIMIT` and the codes of a broker as `publish`; with `ERR_CLOSED`
   *   when the hub closes.
   * @throws {CometError} At once, without closing the source: `ERR_SOURCE` if it is no source, `ERR_OPTION` if `signal` is
   *   no `AbortSignal`.
   * @example
   * ```ts
   * const answer = hub.topic<string>("answer:1", { finite: true });
   * const { outcome } = await answer.publishFrom(model.stream(question), { signal: request.signal });
   * if (outcome === "complete") await store(question);
   * ```
   */
  publishFrom(source: Source<Message>, options?: PublishFromOptions): Promise<StreamOutcome>;
}

/** The part of a `Hub` that runs producers. */
export interface StreamProducing {
  /**
   * Runs a producer once, and publishes its source into a finite topic, which ends with it.
   *
   * It calls `factory` at once, and publishes the source as `publishFrom` does. A call for a name that is being produced
   * joins it, as does one for a name that has ended and is still kept: `factory` is not called, and the result is the
   * same. So a repeated request does not start the work again. `{ restart: true }` stops a producer that runs, waits until
   * its source is closed, for 5 s at most, and begins the topic anew: readers of the former one have its end.
   *
   * The `signal` that `factory` gets aborts when the stream is stopped: by `hub.stop`, by `topic.end` or `topic.delete`,
   * by `hub.close`, or when a message cannot be published. Pass it on to what the source waits for. The source is closed
   * then even if it ignores the signal, and nothing that it emits later is published. A source that arrives later is
   * closed unread.
   *
   * A `factory` that throws, rejects or returns no source, and a source that fails, end the topic as `failed`. Readers get
   * the code `ERR_FAILED` and a fixed text; the error goes to `onError`. At `hub.close` a stream that is not complete after
   * the drain ends as `failed` with `ERR_PRODUCER_LOST`.
   *
   * @param name A topic that the hub's `topics` declares as finite or leaves open; the latter becomes finite.
   * @param factory Returns the source, or a promise of it. Its elements are strings or JSON; map other types.
   * @returns Resolves to the outcome when the topic has ended. Never rejects, so it need not be awaited.
   * @throws {CometError} At once: `ERR_TOPIC`, `ERR_TOPIC_UNKNOWN` for the name; `ERR_OPTION` for an endless topic or bad
   *   arguments; `ERR_CLOSED` after `hub.close` was called; `ERR_BROKER_CONFIG` if the hub has a broker.
   * @example
   * ```ts
   * app.post("/answers/:id", (request, response) => {
   *   hub.produce(`answer:${request.params.id}`, (signal) => model.stream(request.body, { signal }));
   *   response.status(202).end();
   * });
   * ```
   */
  produce<Message = JsonValue>(
    name: string & IfJsonable<Message>,
    factory: (signal: AbortSignal) => Source<Message> | PromiseLike<Source<Message>>,
    options?: ProduceOptions,
  ): Promise<StreamOutcome>;

  /**
   * Stops the stream of a finite topic: its producer's signal aborts, its source is closed, and it ends as `stopped`.
   *
   * It stops a source of `publishFrom` too, and ends a finite topic that has begun and that no source fills. For an
   * endless topic, one that has ended and one that has not begun it does nothing.
   *
   * @returns Resolves when the topic has ended. It rejects with the error if the end cannot be published, which is no
   *   unhandled rejection.
   * @throws {CometError} At once: `ERR_TOPIC`, `ERR_TOPIC_UNKNOWN` for the name.
   * @example
   * ```ts
   * app.delete("/answers/:id", (request, response) => {
   *   hub.stop(`answer:${request.params.id}`);
   *   response.status(204).end();
   * });
   * ```
   */
  stop(name: string): Promise<void>;
}

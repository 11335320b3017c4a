import type { Enumerator } from "../stream/enumerator.ts";
import type { JsonValue } from "../wire/json.ts";

/** What may be said of a message beside its data. Each is 1 to 200 characters without CR, LF and NUL. */
export interface PublishOptions {
  /** The name of the event, for clients that tell events apart by it. It may not begin with `comet:`. */
  readonly event?: string;
  /** What the message is about: a newer one with the same key makes this one stale. See the policy `latest`. */
  readonly key?: string;
  /**
   * The application's own id. A message whose id the log still holds is not published again, nor, with a broker, one whose id was
   * published within the log's `maxAgeMs`; so a publisher that does not know whether it succeeded may try once more.
   */
  readonly messageId?: string;
}

/** A message as `messages` gives it. */
export interface TopicMessage<Sent> extends PublishOptions {
  /** The topic's position once this message is had. */
  readonly position: string;
  readonly data: Sent;
}

/** Where `messages` begins. */
export interface MessagesOptions {
  /** `newest`, the default: with what is published from then on; `oldest`: with what the log holds; or after a position. */
  readonly from?: string;
}

/** The subscribers of a topic now, in all processes. */
export interface Presence {
  /** How many subscribers there are, with and without an identity. */
  readonly subscribers: number;
  /** How many subscribers each identity has. */
  readonly identities: ReadonlyMap<string, number>;
}

/** An identity has joined a topic, or has left it, in whichever process. */
export interface PresenceChange {
  /** `join`: the identity's first subscriber has connected. `leave`: its last has left, and none has connected for `presence.graceMs`. */
  readonly type: "join" | "leave";
  readonly identity: string;
  /** How many subscribers the topic has now, with and without an identity. */
  readonly subscribers: number;
}

/** A named sequence of messages. */
export interface Topic<Message, Sent = Message> {
  readonly name: string;

  /**
   * Publishes a message: every subscriber on every wire gets it, after all those that were published before it. It is
   * encoded at once; what becomes of the object later changes nothing.
   *
   * @returns Resolves to the topic's position after this message, once the hub has it; while very much waits to be sent, once
   *   that has been tried, so that a publisher that awaits it does not outrun its subscribers' log. With a broker it resolves once that
   *   has the message, and rejects with `ERR_BROKER` if the message is not published, because the broker is away, refuses it, or has not
   *   acknowledged 10,000 messages or 16 MiB; with `ERR_UNACKNOWLEDGED` if nobody knows: try again with the same `messageId`; with
   *   `ERR_BROKER_CONFIG` if the broker is not set up as it must be.
   * @throws {CometError} At once: `ERR_ENCODER` for data that is not JSON, `ERR_MESSAGE` if it is larger than the hub's
   *   `maxMessageBytes` or has a bad event, key or id, `ERR_LIMIT` if there are too many topics, `ERR_CLOSED` after the hub's `close`.
   */
  publish(message: Message, options?: PublishOptions): Promise<string>;

  /**
   * The messages of this topic for the server's own use, read from the log at the reader's pace. Each run begins where
   * `from` says, and does not end until the hub is closed.
   *
   * @throws {CometError} To the reader: `ERR_POSITION` if `from` is no position in this topic, `ERR_OVERFLOW` if the log has passed
   *   the reader, or does not hold what follows `from`; `ERR_BROKER` if the broker cannot be asked for it.
   */
  messages(options?: MessagesOptions): Enumerator<TopicMessage<Sent>>;

  /**
   * How many follow this topic now, in all processes, and who: those that `connect` was given an `identity` for. With a broker the
   * first question takes half a second, or until every known process has answered, a second at most; then it is kept up to
   * date, and answered at once, for 15 beats (`presence.beatMs`).
   *
   * @returns Rejects with `ERR_CLOSED` after the hub's `close`, and with `ERR_LIMIT` if more than 10,000 topics are asked for.
   */
  presence(): Promise<Presence>;

  /**
   * Who comes to this topic and who leaves it, in all processes, from when `presence` would have answered. Who comes back within
   * `presence.graceMs` has not left. Begin to read as soon as `presence()` has told who is there, and nobody is missed.
   *
   * @throws {CometError} To the reader: `ERR_OVERFLOW` if 100,000 changes wait for it, `ERR_LIMIT` as `presence`. Ends when the hub is closed.
   */
  presenceChanges(): Enumerator<PresenceChange>;
}

/** How messages that are neither strings nor JSON are sent. */
export interface TopicEncoder<Message, Sent extends JsonValue> {
  readonly encoder: (message: Message) => Sent;
}

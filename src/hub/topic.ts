import type { Enumerator } from "../stream/enumerator.ts";
import type { JsonValue } from "../wire/json.ts";

/** What may be said of a message beside its data. Each is 1 to 200 characters without CR, LF and NUL. */
export interface PublishOptions {
  /** The name of the event, for clients that tell events apart by it. It may not begin with `comet:`. */
  readonly event?: string;
  /** What the message is about: a newer one with the same key makes this one stale. See the policy `latest`. */
  readonly key?: string;
  /**
   * The application's own id. A message whose id the log still holds is not published again; so a publisher that does not
   * know whether it succeeded may try once more.
   */
  readonly messageId?: string;
}

/** A message as `enumerate` gives it. */
export interface TopicMessage<Sent> extends PublishOptions {
  /** The topic's position once this message is had. */
  readonly position: string;
  readonly data: Sent;
}

/** Where `enumerate` begins. */
export interface EnumerateOptions {
  /** `newest`, the default: with what is published from then on; `oldest`: with what the log holds; or after a position. */
  readonly from?: string;
}

/** A named sequence of messages. */
export interface Topic<Message, Sent = Message> {
  readonly name: string;

  /**
   * Publishes a message: every subscriber on every wire gets it, after all those that were published before it. It is
   * encoded at once; what becomes of the object later changes nothing.
   *
   * @returns Resolves to the topic's position after this message, once the hub has it; while very much waits to be sent, once
   *   that has been tried, so that a publisher that awaits it does not outrun its subscribers' log.
   * @throws {CometError} At once: `ERR_ENCODER` for data that is not JSON, `ERR_MESSAGE` if it is larger than the hub's
   *   `maxMessageBytes` or has a bad event, key or id, `ERR_LIMIT` if there are too many topics, `ERR_CLOSED` after the hub's `close`.
   */
  publish(message: Message, options?: PublishOptions): Promise<string>;

  /**
   * The messages of this topic for the server's own use, read from the log at the reader's pace. Each run begins where
   * `from` says, and does not end until the hub is closed.
   *
   * @throws {CometError} To the reader: `ERR_POSITION` if `from` is no position in this topic, `ERR_OVERFLOW` if the log has passed
   *   the reader, or does not hold what follows `from`.
   */
  enumerate(options?: EnumerateOptions): Enumerator<TopicMessage<Sent>>;
}

/** How messages that are neither strings nor JSON are sent. */
export interface TopicEncoder<Message, Sent extends JsonValue> {
  readonly encoder: (message: Message) => Sent;
}

import type { ControlItems, EndedItem, EndItem, TopicEnd, Wire } from "./item.ts";

/** A message as a log keeps it. Its data is encoded once, as JSON that is safe in a script, for the frames of every wire. */
export interface LoggedMessage {
  /** The position in its topic after this message: ASCII without quotes and backslashes, so that it needs no escaping. */
  readonly id: string;
  /** The data as JSON, with `<`, `&`, U+2028 and U+2029 escaped. */
  readonly json: string;
  /** The data itself, if it is a string. */
  readonly text: string | undefined;
  /** The application's event name; key, for the policy `latest`; and id, for idempotent publishing. They are not escaped for scripts. */
  readonly event: string | undefined;
  readonly key: string | undefined;
  readonly messageId: string | undefined;
  /** The end of the topic, if this is its last entry; it has no data then. */
  readonly ended: TopicEnd | undefined;
}

/**
 * The items that a server sends beside the log's messages in a stream that goes on. `ended` is an entry of the log, and
 * `end` and `error` end the stream.
 */
export type ControlName = "open" | "gap" | "missing";

/** The text before and after each message of a format. */
export interface Wrapper {
  readonly before: string;
  readonly after: string;
}

/**
 * Writes a stream in the encoding of one wire, with a request's parameters, such as its callback. A stream is `head`, an `open`
 * item, then batches (`before`, one or more message frames, `after`), `gap` items and heartbeats in any order, and at last an `end`
 * item.
 *
 * PROTOCOL.md, section 5, fixes the bytes, and test/unit/wire/formats.test.ts decodes them. A format is immutable: the connections of
 * a group share one. A member whose text is sent outside of a batch also belongs into `chunked-coding.ts`.
 */
export interface Format {
  /** Formats with equal keys write the same bytes for the same items. Every parameter that changes a byte MUST be in the key. */
  readonly key: string;
  readonly wire: Wire;
  readonly contentType: string;
  /** The key of the log's tape that caches what `message` writes. Formats with equal keys MUST write the same. */
  readonly frameKey: string;
  /**
   * The text around what `message` writes, which is then not a whole frame; `undefined` if `message` writes whole frames.
   *
   * It carries what a request brings, such as a callback: so all callbacks share one tape, whose number a stranger
   * cannot raise.
   */
  readonly wrapper: Wrapper | undefined;
  /** The same for the end of a topic. Only where there is a `wrapper`. */
  readonly endedWrapper: Wrapper | undefined;
  /**
   * Whether a frame names the whole position: that of all topics of a connection, not only the message's. Then the tape serves
   * connections with a single topic only, where both are the same.
   */
  readonly idsNameAllTopics: boolean;
  /**
   * Whether the text outside of batches is in HTTP/1.1's chunked coding; then each batch, with `before` and `after`, is to be one chunk.
   */
  readonly isChunked: boolean;
  /** The text that a stream begins with, after the HTTP head. */
  readonly head: string;
  /** The text before and after a batch of message frames. */
  readonly before: string;
  readonly after: string;
  /** The text of a heartbeat; empty if the wire has none. */
  readonly heartbeat: string;

  /**
   * Writes the frame of a message or of the end of a topic, or its inside where there is a `wrapper`. `id` is the
   * message's own, or the whole position where {@link idsNameAllTopics}.
   */
  readonly message: (message: LoggedMessage, id: string) => string;
  /**
   * Writes a control item. `position` is the whole position after it, or empty while the client must not resume from there yet:
   * before the last `gap` that belongs to an opening.
   */
  readonly control: <Name extends ControlName>(name: Name, item: ControlItems[Name], position: string) => string;
  /** Writes the end of the stream. */
  readonly end: (item: EndItem) => string;
  /**
   * Writes the end of a batch, where it depends on the place that the batch reaches: see {@link BatchEnd}. A stream that opens with
   * nothing to send begins with the same text. Only in formats of streams with one topic. A batch that ends with the end of the topic
   * has none.
   *
   * @param isCaughtUp Whether the place is the newest entry of the log.
   */
  readonly batchEnd?: (position: string, isCaughtUp: boolean) => BatchEnd;
  /** Whether a stream ends where messages are missing, because the format has no item for a gap. */
  readonly endsAtGap?: boolean;
}

/** The end of a batch: a text in place of the end of its last message frame. */
export interface BatchEnd {
  /** The number of bytes at the end of the last frame that the text replaces. They are ASCII. */
  readonly cut: number;
  readonly text: string;
}

/** Writes a whole message frame: what `message` writes, in its wrapper if there is one. */
export function messageFrame(format: Format, logged: LoggedMessage, id: string): string {
  const text = format.message(logged, id);
  const wrapper = wrapperOf(format, logged);
  return wrapper === undefined ? text : `${wrapper.before}${text}${wrapper.after}`;
}

/** Returns the text around the frame of a message, or of the end of a topic. */
export function wrapperOf({ wrapper, endedWrapper }: Format, { ended }: LoggedMessage): Wrapper | undefined {
  return ended === undefined ? wrapper : endedWrapper;
}

/** Returns the end of a topic as an item. */
export function endedItem(ended: TopicEnd, id: string): EndedItem {
  return { ...ended, position: id };
}

/**
 * Writes a message as the JSON object that ndjson, poll and the managed modes carry (a managed stream is one that our client reads).
 * Only `data` is safe in a script: a wire that puts the object into HTML escapes it once more.
 */
export function messageObject({ id, json, event, key, messageId, ended }: LoggedMessage): string {
  if (ended !== undefined) return controlObject("ended", endedItem(ended, id));
  if (event === undefined && key === undefined && messageId === undefined) return `{"id":"${id}","data":${json}}`;
  let text = `{"id":"${id}"`;
  if (event !== undefined) text += `,"event":${JSON.stringify(event)}`;
  if (key !== undefined) text += `,"key":${JSON.stringify(key)}`;
  if (messageId !== undefined) text += `,"messageId":${JSON.stringify(messageId)}`;
  return `${text},"data":${json}}`;
}

/** Writes any item other than a message as the JSON object that ndjson, poll and the managed modes carry. */
export function controlObject<Name extends keyof ControlItems>(name: Name, item: ControlItems[Name]): string {
  return `{"${name}":${JSON.stringify(item)}}`;
}

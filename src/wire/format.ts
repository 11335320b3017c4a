import type { ControlItems, EndItem, Wire } from "./item.ts";

/** A message as a log keeps it: encoded once, as JSON that is safe in a script, for the frames of every wire. */
export interface LoggedMessage {
  /** The topic-position after this message. */
  readonly id: string;
  /** The data as JSON, with `<`, `&`, U+2028 and U+2029 escaped. */
  readonly json: string;
  /** The data itself, if it is a string. */
  readonly text: string | undefined;
  readonly event: string | undefined;
  readonly key: string | undefined;
  readonly messageId: string | undefined;
}

/** The items that a server sends before the end of a stream, beside messages. */
export type ControlName = "open" | "gap";

/**
 * Writes a stream in the encoding of one wire, with the parameters of a connection. A stream is `head`, an `open` item,
 * then any number of batches (`before`, message frames, `after`), `gap` items and heartbeats, and at last an `end`
 * item.
 *
 * PROTOCOL.md, section 5, fixes the bytes, and test/unit/wire/formats.test.ts decodes them. A format is immutable and
 * holds no state of a connection: many connections share its frames.
 */
export interface Format {
  /** Connections whose formats have equal keys receive the same bytes. */
  readonly key: string;
  readonly wire: Wire;
  readonly contentType: string;
  /** The key under which message frames are cached and shared; `undefined` if frames belong to one connection. */
  readonly frameKey: string | undefined;
  /**
   * Whether a frame names the positions of all of a connection's topics, so that only connections to one topic share
   * it.
   */
  readonly idsNameAllTopics: boolean;
  /**
   * Whether everything except message frames is in HTTP/1.1's chunked coding, and the sender must put batches into it.
   */
  readonly isChunked: boolean;
  /** The first bytes of the stream. */
  readonly head: string;
  /** The text before and after a batch of message frames. */
  readonly before: string;
  readonly after: string;
  /** The bytes of a heartbeat; empty if the wire has none. */
  readonly heartbeat: string;

  /** Writes a message frame. `id` is the message's own, or the whole position where {@link idsNameAllTopics}. */
  readonly message: (message: LoggedMessage, id: string) => string;
  /**
   * Writes a control item. `position` is the whole position after it; empty if further items must arrive before it
   * holds.
   */
  readonly control: <Name extends ControlName>(name: Name, item: ControlItems[Name], position: string) => string;
  /** Writes the end of the stream. `query` is the request's, without its position. */
  readonly end: (item: EndItem, query: string) => string;
}

/** Writes a message as the JSON object that ndjson, poll and the managed modes carry. */
export function messageObject({ id, json, event, key, messageId }: LoggedMessage): string {
  if (event === undefined && key === undefined && messageId === undefined) return `{"id":"${id}","data":${json}}`;
  let text = `{"id":"${id}"`;
  if (event !== undefined) text += `,"event":${JSON.stringify(event)}`;
  if (key !== undefined) text += `,"key":${JSON.stringify(key)}`;
  if (messageId !== undefined) text += `,"messageId":${JSON.stringify(messageId)}`;
  return `${text},"data":${json}}`;
}

/** Writes any other item as the JSON object that ndjson, poll and the managed modes carry. */
export function controlObject<Name extends keyof ControlItems>(name: Name, item: ControlItems[Name]): string {
  return `{"${name}":${JSON.stringify(item)}}`;
}

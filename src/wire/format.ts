import type { ControlItems, EndItem, Wire } from "./item.ts";

/** A message as a log keeps it: encoded once as JSON that is safe in a script, so that every wire can be made of it. */
export interface LoggedMessage {
  /** The topic's position once this message has come. */
  readonly id: string;
  /** The data as JSON, with `<`, `&`, U+2028 and U+2029 escaped. */
  readonly json: string;
  /** The data itself if it is a string, of which `json` is the JSON. */
  readonly text: string | undefined;
  readonly event: string | undefined;
  readonly key: string | undefined;
  readonly messageId: string | undefined;
}

/** The items that a server sends in the middle of a stream. */
export type ControlName = "open" | "gap";

/**
 * How one wire writes a stream, with the parameters of a connection. A stream is `head`, an open item, then any number of
 * batches (`before`, message frames, `after`), gaps and heartbeats, and at last an end. PROTOCOL.md, section 5, has the bytes.
 */
export interface Format {
  /** Connections whose formats have equal keys are sent the same bytes. */
  readonly key: string;
  readonly wire: Wire;
  readonly contentType: string;
  /** The key under which frames of messages are kept and shared; `undefined` if frames are one connection's own. */
  readonly frameKey: string | undefined;
  /** Whether a frame names the positions of all of a connection's topics, so that only connections to one topic share it. */
  readonly idsNameAllTopics: boolean;
  /** Whether all but the frames of messages is in HTTP/1.1's chunked coding already, and a batch of these is to be put into it. */
  readonly isChunked: boolean;
  /** What comes before everything else. */
  readonly head: string;
  /** What comes before and after the frames of messages that are sent together. */
  readonly before: string;
  readonly after: string;
  /** What shows that the connection lives; empty if nothing can. */
  readonly heartbeat: string;

  /** The frame of a message. `id` is its own, or the whole position where {@link idsNameAllTopics}. */
  readonly message: (message: LoggedMessage, id: string) => string;
  /** An item in the middle of the stream. `position` is the whole position after it; empty if more is to come before there is one. */
  readonly control: <Name extends ControlName>(name: Name, item: ControlItems[Name], position: string) => string;
  /** The end of the stream. `query` is that of the request without its position. */
  readonly end: (item: EndItem, query: string) => string;
}

/** A message as the JSON object that ndjson, poll and managed comet carry. */
export function messageObject({ id, json, event, key, messageId }: LoggedMessage): string {
  if (event === undefined && key === undefined && messageId === undefined) return `{"id":"${id}","data":${json}}`;
  let text = `{"id":"${id}"`;
  if (event !== undefined) text += `,"event":${JSON.stringify(event)}`;
  if (key !== undefined) text += `,"key":${JSON.stringify(key)}`;
  if (messageId !== undefined) text += `,"messageId":${JSON.stringify(messageId)}`;
  return `${text},"data":${json}}`;
}

/** Any other item as the JSON object that ndjson, poll and managed comet carry. */
export function controlObject<Name extends keyof ControlItems>(name: Name, item: ControlItems[Name]): string {
  return `{"${name}":${JSON.stringify(item)}}`;
}

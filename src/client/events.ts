import type { EndReason, OpenState, Wire } from "../wire/item.ts";

/** A connection is open, after there was none, or over another wire than the one before. */
export interface CometOpenEvent extends Event {
  /** How each topic began. */
  readonly states: { readonly [topic: string]: OpenState };
  readonly wire: Wire;
}

/** Messages of one topic are missing: the server does not have them any more, or left them out. */
export interface CometGapEvent extends Event {
  readonly topic: string;
  /** How many; `null` if that cannot be known. */
  readonly missed: number | null;
}

/**
 * There is no connection, though the last was not told to end. Codes are those of refusals (PROTOCOL.md, section 7), and:
 *
 * | code | what was wrong |
 * | --- | --- |
 * | `ERR_NETWORK` | the connection broke, or could not be had |
 * | `ERR_SILENT` | nothing came for two heartbeats, or a connection did not open in time |
 * | `ERR_STATUS` | an answer with such a status, which is none of a hub |
 * | `ERR_CONTENT_TYPE` | an answer of another type: no stream of a hub |
 * | `ERR_FRAME` | something that is no item of the protocol |
 * | `ERR_ENDED` | the hub has sent its clients away for a while, as when it goes down |
 * | `ERR_HEADERS` | the application's `headers` failed |
 * | `ERR_WIRE` | this page has none of the wires that the source may use |
 */
export interface CometErrorEvent extends Event {
  readonly code: string;
  readonly detail: string;
  /** The status of the answer, where there was one that the page can see. */
  readonly status?: number;
  /** When the next attempt is made, in milliseconds; `null` if there will be none. */
  readonly retryMs: number | null;
}

/** The source is closed, and not by the page. */
export interface CometCloseEvent extends Event {
  /** The server's reason, or `error` after an error that there is no coming back from. */
  readonly reason: EndReason | "error";
}

/** A message. `lastEventId` is the whole position once it has come. */
export interface CometMessageEvent<Data = unknown> extends MessageEvent<Data> {
  /** What it is about, if the application says so: a newer message with the same key makes this one stale. */
  readonly key?: string;
  /** The application's own id. */
  readonly messageId?: string;
}

import type { EndReason, OpenState, Outcome, Wire } from "../wire/item.ts";

/** Dispatched as `open` when a connection opens: after there was none, or over another wire than the one before. */
export interface CometOpenEvent extends Event {
  /** The opening state of each topic. */
  readonly states: { readonly [topic: string]: OpenState };
  readonly wire: Wire;
}

/** Dispatched as `gap` when messages of one topic are missing: the server has evicted them or left them out. */
export interface CometGapEvent extends Event {
  readonly topic: string;
  /** The number of missing messages; `null` if it cannot be known. */
  readonly missed: number | null;
}

/**
 * Dispatched as `ended` when a finite topic has ended: all its messages have been dispatched before. The source closes
 * once all its topics have ended or are missing.
 */
export interface CometEndedEvent extends Event {
  readonly topic: string;
  readonly outcome: Outcome;
  /** The reason why a topic `failed`: a code, and a text that may be shown. */
  readonly code?: string;
  readonly message?: string;
}

/**
 * Dispatched as `missing` when a topic does not exist or is kept no longer, while the source follows others or had to
 * wait for it. It may still begin while the source follows others.
 */
export interface CometMissingEvent extends Event {
  readonly topic: string;
  /** 404: the topic does not exist. 410: it has ended and expired. */
  readonly status: 404 | 410;
}

/**
 * Dispatched as `error` when there is no connection and the server did not ask the client to reconnect at once, and
 * before the source closes because a topic has failed or is missing. Applications compare the codes, so a code never changes its meaning. They are those of refusals (PROTOCOL.md, section
 * 7), and:
 *
 * | code | cause |
 * | --- | --- |
 * | `ERR_NETWORK` | the connection broke or could not be opened |
 * | `ERR_SILENT` | nothing arrived for two heartbeats, or a connection did not open in time |
 * | `ERR_STATUS` | a response has a status that no hub sends |
 * | `ERR_CONTENT_TYPE` | a response has another content type than the hub's streams |
 * | `ERR_FRAME` | a frame is no item of the protocol; fatal if it is a line of more than 67,108,864 characters |
 * | `ERR_OFFLINE` | the connection broke or could not be opened, and the browser has no network |
 * | `ERR_ENDED` | the hub ended the stream and asks its clients to wait, as it does when it shuts down; or a stream ended within a second, with nothing in it |
 * | `ERR_FAILED` | a topic ended as `failed`; it may have a code of its own instead |
 * | `ERR_HEADERS` | the application's `headers` failed |
 * | `ERR_WIRE` | this page can use none of the wires of the source |
 * | `ERR_URL` | the address of a `<comet-source>` or of `useComet` is invalid, or neither http nor https |
 */
export interface CometErrorEvent extends Event {
  readonly code: string;
  readonly detail: string;
  /** The status of the response, if there was one that the page can see. */
  readonly status?: number;
  /**
   * When the client returns, in milliseconds from now and no sooner than the server allows; `null` if it does not
   * reconnect.
   */
  readonly retryMs: number | null;
}

/**
 * Dispatched as `close` when the source is closed by the server or by a fatal error; the page's own `close()`
 * dispatches none.
 */
export interface CometCloseEvent extends Event {
  /** The server's reason, or `error` after a fatal error. */
  readonly reason: EndReason | "error";
  /** The outcome of the source. */
  readonly outcome: Outcome | undefined;
}

/** A message. `lastEventId` is the whole position after it. */
export interface CometMessageEvent<Data = unknown, Name extends string = string> extends MessageEvent<Data> {
  /** The name that the message was published with, or `message`. */
  readonly type: Name;
  /** The conflation key that the application published: a newer message with the same key makes this one stale. */
  readonly key?: string;
  /** The application's own id. */
  readonly messageId?: string;
}

import type { IncomingMessage, ServerResponse } from "node:http";
import type { BrowserName } from "../browsers/browser.ts";

/** The sources under test: the browser's own `EventSource`, which is the control, and `CometSource` over two wires. */
export const sourceKinds = ["EventSource", "sse", "ndjson"] as const;

export type SourceKind = (typeof sourceKinds)[number];

/** A request of a source for a stream, and the ways to answer it. Each source gets the encoding that it reads. */
export interface Exchange {
  readonly kind: SourceKind;
  readonly request: IncomingMessage;
  readonly response: ServerResponse;
  /** The last part of the path: `stream`, unless the page asks for another one. */
  readonly path: string;
  /** The number of the request among those for this path, from 1. */
  readonly attempt: number;
  /** The responses to the earlier requests of this run. */
  readonly earlier: readonly ServerResponse[];
  /** The id that the client sends back, in the header or in the parameter; empty if it sends none. */
  readonly lastEventId: string;
  /** Begins a response with the content type of an event stream. */
  readonly head: (headers?: Readonly<Record<string, string>>) => void;
  /** Begins a stream, and tells an `EventSource` to reconnect after 10 ms. */
  readonly open: (headers?: Readonly<Record<string, string>>) => void;
  /** The first item of a stream for a `CometSource`; empty for an `EventSource`. */
  readonly opening: string;
  /** The payload of the next message: the text itself, or the item around it. */
  readonly payload: (text: string, event?: string) => string;
  /** The frame of the next message: its bytes on the wire. */
  readonly frame: (text: string, event?: string) => string;
  /** The bytes of several messages that a hub sends together: over `sse` they are one event. */
  readonly batch: (...texts: readonly string[]) => string;
  /** Sends the next message. It opens the stream if necessary. Its id is `t=e.1`, `t=e.2` and so on. */
  readonly send: (text: string, event?: string) => void;
  /** Writes bytes. It begins the response if necessary. */
  readonly write: (bytes: string | Uint8Array) => void;
  readonly end: () => void;
}

/**
 * One case of the suite.
 *
 * `page` is the body of an async function, whose result is compared with `expected`. Its parameters are:
 *
 * - `EventSource`: the class under test.
 * - `url`, `other`: the address of the stream, on the page's origin and on another one.
 * - `next(source, type)`: a promise of the next event of a type.
 * - `requests(n)`: a promise of the requests that the server has got, once there are `n` of them. Each has `path`,
 *   `method`, `headers`, `lastEventId`, `at` in milliseconds, and `isClosed`.
 * - `closed(n)`: the same, once `n` of them are closed.
 * - `later()`: a promise that is settled after a new source has got a message, has lost its connection and has
 *   reconnected. So whatever another source would do at once has been done.
 * - `frame(query)`: a promise of the `window` of a new iframe, and of the `EventSource` in it: the class under test.
 */
export interface EventSourceCase {
  readonly name: string;
  /** Whether it is about the bytes of an event stream. Then `CometSource` runs it only over `sse`. */
  readonly isAboutBytes?: boolean;
  /** Where the code runs. @default "window" */
  readonly context?: "window" | "worker" | "shared worker";
  /** Answers the requests. By default it sends one message, `data`, and leaves the stream open. */
  readonly serve?: (exchange: Exchange) => void;
  readonly page: string;
  readonly expected: unknown;
  /** The sources that fail it because of a browser. Most of them are the browser's own, or a wire that uses it. */
  readonly failing?: { readonly [browser in BrowserName]?: readonly SourceKind[] };
  /** What the wires of `CometSource` do instead. docs/event-source.md has a row for it, with the reason. */
  readonly instead?: { readonly sse?: unknown; readonly ndjson?: unknown };
}

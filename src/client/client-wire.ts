import type { EndedItem, EndItem, EndReason, GapItem, MissingItem, OpenItem, Wire, WireMessage } from "../wire/item.ts";

/**
 * One object of ndjson, as it arrived on a connection: PROTOCOL.md, section 5. Members are read when they are needed.
 */
export interface ReceivedItem extends Partial<WireMessage> {
  readonly open?: OpenItem;
  readonly gap?: GapItem;
  readonly ended?: EndedItem;
  readonly missing?: MissingItem;
  readonly end?: EndItem;
  readonly error?: WireFailure;
}

/** The reason why a connection broke or could not be opened. */
export interface WireFailure {
  /** The code of a refusal (PROTOCOL.md, section 7), or one of the client's own: see `CometErrorEvent`. */
  readonly code: string;
  readonly detail: string;
  /** The status of the response, if there was one that the page can see. */
  readonly status?: number | undefined;
  /** The shortest time before the client may return, in milliseconds; `null` forbids it to reconnect. @default 0 */
  readonly retryMs?: number | null;
}

/** The parameters of a connection. */
export interface WireRequest {
  /** The hub's address, with the topics. */
  readonly url: URL;
  /** The client's position; empty if it has none. */
  readonly position: string;
  /** Whether the server should answer at once, to show that it is there; false for the next of several polls. */
  readonly isFirst: boolean;
  /** The application's headers. */
  readonly headers?: HeadersInit;
  readonly withCredentials: boolean | undefined;
  /** Parses one text, as `JSON.parse` does by default. A list is the items of several. */
  readonly parse?: (text: string) => unknown;
}

/** The events of a connection. It emits none after it has been closed. */
export interface WireEvents {
  /** Items arrived; an empty array is a heartbeat. */
  readonly received: (items: readonly ReceivedItem[]) => void;
  /** The connection is lost, and no `end` item arrived. */
  readonly broken: (failure: WireFailure) => void;
  /** The connection works, but costs the page more and more memory: another should replace it soon. Emitted once. */
  readonly expiring: () => void;
  /**
   * Something on the way holds items back: a piece of one has arrived, and its rest has not for seconds. Nothing is lost
   * yet, but another wire may be in time.
   */
  readonly late?: () => void;
}

/**
 * One way for a page to hold a stream open. Applications may implement it.
 *
 * Every new member MUST be optional: a required one breaks the wires of applications. A wire around another inherits
 * from it (`Object.create(wire)`), since `name` may change while the client runs.
 */
export interface ClientWire {
  /** The encoding that it receives. `open` events carry it. */
  readonly name: Wire;
  /** Whether it can send the application's headers. @default false */
  readonly sendsHeaders?: boolean;
  /**
   * The idle timeout until a stream opens, in milliseconds, for a wire whose responses may wait for messages; 0
   * disables it.
   * @default the source's `openTimeoutMs`
   */
  readonly idleTimeoutMs?: number;
  /** Whether the data of its messages is text: see `asText`. @default false */
  readonly isText?: boolean;
  /** Whether this page has the APIs that the wire needs. @default all pages have */
  readonly isPossible?: () => boolean;
  /**
   * Opens a connection. It MUST NOT emit events before it has returned.
   *
   * @returns A function that closes the connection. It is idempotent.
   */
  readonly open: (request: WireRequest, events: WireEvents) => () => void;
}

/** Options of a source. The client does not check them: a wrong one costs every page bytes to refuse. */
export interface FollowOptions {
  /** The wire of all its connections. */
  readonly wire: ClientWire;
  /** Whether requests to another origin carry cookies. @default false */
  readonly withCredentials?: boolean;
  /**
   * The bound of the first reconnection delay, in milliseconds, from 0; each further failure doubles it. Delays are
   * random between 0 and their bound, and no shorter than the server asks for.
   * @default 1000
   */
  readonly backoffMs?: number;
  /** The bound of every reconnection delay, in milliseconds, from 0. @default 30000 */
  readonly maxBackoffMs?: number;
  /** The time that a connection has to open, in milliseconds; 0 disables it. @default 10000 */
  readonly openTimeoutMs?: number;
}

/** The item of a topic that has ended or is missing. */
export type OverItem = Partial<EndedItem & MissingItem> & { readonly topic: string };

/** The callbacks of a `Follower`. */
export interface FollowEvents {
  readonly opened: (item: OpenItem, wire: Wire) => void;
  /** A new message arrived. `parts` are the topic-positions of the whole position after it. */
  readonly message: (item: ReceivedItem, parts: readonly string[]) => void;
  /**
   * Messages are missing (`gap`), a topic has ended (`ended`: once for each end, over any number of connections), or it
   * is missing (`missing`: again only if the status changes, and not for a topic that has ended).
   */
  readonly noted: <Type extends "gap" | "ended" | "missing">(type: Type, item: Required<ReceivedItem>[Type]) => void;
  /**
   * There is no connection. The follower reconnects after `retryMs` milliseconds. There is no failure if the follower
   * has closed the connection itself, to reconnect.
   */
  readonly lost: (failure?: WireFailure, retryMs?: number) => void;
  /**
   * The server ended the stream for good, the connection was lost after the end of every topic (`gone`), or a failure is
   * fatal (`error`). `over` has the newest end of each topic.
   */
  readonly closed: (reason: EndReason | "error", over: readonly OverItem[], failure?: WireFailure) => void;
}

/**
 * The address of a request on one wire.
 *
 * In the position each `%` is a space, which takes one character in a query: encoded once more, it would take three.
 * PROTOCOL.md, section 3.
 */
export function addressOf(
  { url, position, isFirst }: WireRequest,
  parameters: { readonly wire: Wire; readonly [name: string]: string },
): string {
  const address = new URL(url);
  const all: Record<string, string> = {
    ...parameters,
    lastEventId: position.replaceAll("%", " "),
    ...(isFirst && { wait: "0" }),
  };
  for (const name in all) address.searchParams.set(name, all[name] as string);
  return address.href;
}

/** The failure of a connection of which the page learns only that it is lost. */
export const connectionLost: WireFailure = { code: "ERR_NETWORK", detail: "No connection." };

/** The failure of a page that can use none of the wires. It is fatal: the client does not reconnect. */
export const noWire: WireFailure = { code: "ERR_WIRE", detail: "No wire.", retryMs: null };

/**
 * Parses items from JSON texts, and skips empty ones. A text that is not JSON, or is falsy, becomes an `ERR_FRAME`
 * error item. The request's `parse` replaces `JSON.parse`.
 */
export function parseItems(texts: readonly string[], parse: WireRequest["parse"] = JSON.parse): ReceivedItem[] {
  return texts.filter(Boolean).map((text) => {
    let detail = text;
    try {
      const item = parse(text) as ReceivedItem | null;
      if (item) return item;
    } catch (error) {
      detail = String(error);
    }
    return { error: { code: "ERR_FRAME", detail } };
  });
}

import type { EndItem, GapItem, OpenItem, Wire, WireMessage } from "../wire/item.ts";

/** What has come on a connection: one object of ndjson (PROTOCOL.md, section 5). Members are read as they are needed. */
export interface Received extends Partial<WireMessage> {
  readonly open?: OpenItem;
  readonly gap?: GapItem;
  readonly end?: EndItem;
  readonly error?: Failure;
}

/** Why a connection broke, or could not be had. */
export interface Failure {
  /** The code of a refusal (PROTOCOL.md, section 7), or one of the client's own: see `CometErrorEvent`. */
  readonly code: string;
  readonly detail: string;
  /** The status of the answer, where there was one that the page can see. */
  readonly status?: number;
  /** Come back no sooner than this, in milliseconds; `null`: not at all. */
  readonly retryMs?: number | null;
}

/** What a connection is opened with. */
export interface WireRequest {
  /** The hub's address, with the topics. */
  readonly url: URL;
  /** Where the client stands. */
  readonly position: string;
  /** Whether it is to be seen at once that there is a connection: whether this is not the next of many polls. */
  readonly isFirst: boolean;
  /** The application's. */
  readonly headers?: HeadersInit;
  readonly withCredentials: boolean | undefined;
}

/** What a connection tells; nothing more once it has been let go of. */
export interface WireEvents {
  /** Something has come: items, or none if it was only a sign of life. */
  readonly received: (items: readonly Received[]) => void;
  /** It is over, though no `end` has come. */
  readonly broken: (failure: Failure) => void;
  /** It costs the page ever more memory: it goes on, but another is to take its place soon. Told once. */
  readonly worn: () => void;
}

/** One way for a page to hold a stream open. */
export interface ClientWire {
  readonly name: Wire;
  /** Whether it can send headers of the application's; if not said, it cannot. */
  readonly sendsHeaders?: boolean;
  /** How long an answer may take that may wait for messages; the source's `openTimeoutMs` otherwise. */
  readonly patienceMs?: number;
  /** Whether this page has what it takes; if not said, all have. */
  readonly isPossible?: () => boolean;
  /** Opens a connection, of which it tells nothing before it has returned. @returns What lets go of it; it may be called again. */
  readonly open: (request: WireRequest, events: WireEvents) => () => void;
}

/** The address for a wire. */
export function addressOf(
  { url, position, isFirst }: WireRequest,
  parameters: { readonly wire: Wire; readonly [name: string]: string },
): string {
  const address = new URL(url);
  const all: Record<string, string> = { ...parameters, lastEventId: position, ...(isFirst && { wait: "0" }) };
  for (const name in all) address.searchParams.set(name, all[name] as string);
  return address.href;
}

/** All that is known of a connection of which a page is told no more than that it is over. */
export const cut: Failure = { code: "ERR_NETWORK", detail: "No connection." };

/** There is no coming back from this. */
export const noWire: Failure = { code: "ERR_WIRE", detail: "No wire.", retryMs: null };

/** The items that came as texts of JSON. */
export function parsed(texts: readonly string[]): Received[] {
  return texts.filter(Boolean).map(parse);
}

function parse(text: string): Received {
  let detail = text;
  try {
    const item = JSON.parse(text) as Received | null;
    if (item) return item;
  } catch (error) {
    detail = String(error);
  }
  return { error: { code: "ERR_FRAME", detail } };
}

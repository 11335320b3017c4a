import type { JsonValue } from "./json.ts";

/** The four encodings of one stream: PROTOCOL.md, section 5. */
export type Wire = "comet" | "sse" | "ndjson" | "poll";

/** How a topic begins on a connection: from here on, with everything since the client's position, or with something missing. */
export type OpenState = "fresh" | "recovered" | "gap";

/** Why a server ends a stream: PROTOCOL.md, section 4. */
export type EndReason = "recycle" | "drain" | "overflow" | "poll" | "unauthorized" | "gone";

/** One message as it goes over every wire. */
export interface WireMessage {
  /** The topic's position once this message has come. */
  readonly id: string;
  readonly event?: string | undefined;
  readonly key?: string | undefined;
  readonly messageId?: string | undefined;
  readonly data: JsonValue;
}

export interface OpenItem {
  readonly states: { readonly [topic: string]: OpenState };
  readonly position: string;
  readonly heartbeatMs: number;
}

export interface GapItem {
  readonly topic: string;
  /** How many messages are missing; `null` if that cannot be known. */
  readonly missed: number | null;
  readonly position: string;
}

export interface EndItem {
  readonly reason: EndReason;
  readonly position: string;
  /** How long to wait before coming back, in milliseconds; `null`: do not come back. */
  readonly retryMs: number | null;
}

/** A refusal, as a problem of RFC 9457. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  /** When to come back, in milliseconds, for what passes: as the header `Retry-After` says, which a page cannot see in a frame. */
  readonly retryMs?: number;
}

/** What a server says beside its messages, by name. */
export interface ControlItems {
  readonly open: OpenItem;
  readonly gap: GapItem;
  readonly end: EndItem;
  readonly error: Problem;
}

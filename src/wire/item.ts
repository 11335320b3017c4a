import type { JsonValue } from "./json.ts";

/** The four encodings of a stream: PROTOCOL.md, section 5. New names are a change of the protocol. */
export type Wire = "comet" | "sse" | "ndjson" | "poll";

/**
 * The opening state of a topic: from now on, with every message after the client's position, or with messages missing.
 */
export type OpenState = "fresh" | "recovered" | "gap";

/** The reason with which a server ends a stream: PROTOCOL.md, section 4. */
export type EndReason = "recycle" | "drain" | "overflow" | "poll" | "unauthorized" | "gone";

/** One message, as every wire carries it. */
export interface WireMessage {
  /** The topic-position after this message. */
  readonly id: string;
  readonly event?: string | undefined;
  readonly key?: string | undefined;
  readonly messageId?: string | undefined;
  readonly data: JsonValue;
}

/** The first item of a stream. */
export interface OpenItem {
  readonly states: { readonly [topic: string]: OpenState };
  /** The client's whole position now. */
  readonly position: string;
  /** The longest time between two sends, in milliseconds; 0: there are no heartbeats. */
  readonly heartbeatMs: number;
  /** The topics that the client asked for and may not follow; absent if there are none. */
  readonly removed?: readonly string[];
  /** The topics of the stream that end; absent if there are none. */
  readonly finite?: readonly string[];
}

/** Messages of one topic are missing from the stream. */
export interface GapItem {
  readonly topic: string;
  /** The number of missing messages; `null` if it cannot be known. */
  readonly missed: number | null;
  /** The topic-position after which the stream continues. */
  readonly position: string;
}

/** The outcome of a finite topic: it has everything, its source failed, or somebody stopped it. */
export type Outcome = "complete" | "failed" | "stopped";

/** The end of a finite topic, as its log keeps it. */
export interface TopicEnd {
  readonly topic: string;
  readonly outcome: Outcome;
  /** Why it failed, as strangers may see it; only with `failed`. */
  readonly code?: string;
  readonly message?: string;
}

/** A finite topic has ended. Nothing of it follows. */
export interface EndedItem extends TopicEnd {
  /** The topic-position after the end. */
  readonly position: string;
}

/** A topic that the client asked for does not exist (404), or has expired (410). */
export interface MissingItem {
  readonly topic: string;
  readonly status: 404 | 410;
}

/** The last item of a stream that the server ends. */
export interface EndItem {
  readonly reason: EndReason;
  /** The whole position, to resume from. */
  readonly position: string;
  /** The shortest time before the client may return, in milliseconds; `null`: it must not reconnect by itself. */
  readonly retryMs: number | null;
}

/** A refusal, as a problem of RFC 9457: PROTOCOL.md, section 7. */
export interface Problem {
  readonly type: string;
  readonly title: string;
  readonly status: number;
  readonly code: string;
  readonly detail: string;
  /**
   * The shortest time before the client may return, in milliseconds; only of temporary refusals. It repeats the header
   * `Retry-After`, which a page cannot see in a frame.
   */
  readonly retryMs?: number;
}

/** The items beside messages, by name. */
export interface ControlItems {
  readonly open: OpenItem;
  readonly gap: GapItem;
  readonly ended: EndedItem;
  readonly missing: MissingItem;
  readonly end: EndItem;
  readonly error: Problem;
}

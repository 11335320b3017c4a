import type { EndedItem, EndReason, MissingItem, OpenItem, Wire } from "../wire/item.ts";
import type { ReceivedItem, WireFailure } from "./client-wire.ts";

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

import type { Wire } from "../../wire/item.ts";
import type { ReceivedItem, WireFailure } from "../client-wire.ts";

/**
 * One source in one tab, while it holds one connection. It holds the lock {@link memberLock}, so the leader sees that
 * it is gone when the lock is free.
 */
export interface TabMember {
  readonly id: string;
  readonly topics: readonly string[];
  readonly position: string;
}

/**
 * A message on the channel of the tabs that share a connection. All but `join` come from the leader, `from`, and go to
 * all members or to one, `to`.
 *
 * Tabs of one origin may run different versions of the page, so a change of these messages also needs another channel
 * name.
 */
export type TabMessage =
  /** A member asks for its topics, from its position on. */
  | { readonly type: "join"; readonly member: TabMember }
  /** There is a new leader. */
  | { readonly type: "lead"; readonly from: string }
  /** The leader acknowledges a `join`; the member waits for `welcome`. */
  | { readonly type: "ack"; readonly from: string; readonly to: string }
  /** The member is admitted. The first of the items is its `open`. */
  | {
      readonly type: "welcome";
      readonly from: string;
      readonly to: string;
      readonly wire: Wire;
      readonly items: readonly ReceivedItem[];
    }
  /** Items for all admitted members; an empty array is a heartbeat. */
  | { readonly type: "items"; readonly from: string; readonly items: readonly ReceivedItem[] }
  /** The connection is lost. */
  | { readonly type: "lost"; readonly from: string; readonly failure: WireFailure }
  /** The member must open a connection of its own. */
  | { readonly type: "alone"; readonly from: string; readonly to: string };

/** The name of the lock that a member holds. */
export const memberLock = (key: string, id: string): string => `${key} ${id}`;

/**
 * The vocabulary of subscribers: a subscription as the application sees it, its policies, and the reasons for its end.
 *
 * All names are public. `CloseReason` includes the reasons of PROTOCOL.md, section 4, which clients act on.
 */

import { assertInteger } from "../core/options.ts";
import type { EndReason, OpenState, Wire } from "../wire/item.ts";

/**
 * The policy for a subscriber that reads more slowly than its topic is published to.
 *
 * - `resume`: the hub serves it from the log at its own pace. When unread messages leave the log, the hub ends the
 *   stream, so that the client reconnects with its position and gets a `gap`.
 * - `skip`: as `resume`, but when unread messages leave the log, the stream continues with the newest messages, after a
 *   `gap`.
 * - `latest`: while it is behind, it gets the newest unread message of each key, and unread messages without a key,
 *   after a `gap` that counts the others.
 */
export type OverflowPolicy = "resume" | "skip" | "latest";

/**
 * The reason for the end of a subscription: the client disconnected (`client`), it read nothing for `stallMs`
 * (`stalled`), its connection failed (`error`), or the hub ended the stream for a reason of PROTOCOL.md, section 4.
 */
export type CloseReason = EndReason | "client" | "stalled" | "error";

/** A change of a subscription: see `Subscription.update`. */
export interface SubscriptionUpdate {
  /**
   * The time at which the client's permission ends, in milliseconds since 1970: a whole number from 0 to 8.64e15.
   * `null`: it does not end.
   */
  readonly expiresAt: number | null;
}

/** One client's connection to a hub, from its first byte to its last. */
export interface Subscription {
  /** A number, unique within this hub. */
  readonly id: number;
  readonly topics: readonly string[];
  readonly wire: Wire;
  /** The client's identity, as `authorize` or else `RequestOptions.identity` gave it. */
  readonly identity: string | undefined;
  /** The handler's `RequestOptions.context`. */
  readonly context: unknown;
  /** The time at which the client's permission ends, in milliseconds since 1970; `null` if it does not end. */
  readonly expiresAt: number | null;
  /** The state in which each topic opened. */
  readonly states: { readonly [topic: string]: OpenState };
  /** The position up to which the hub has sent. The client would resume from here. */
  readonly position: string;
  /**
   * Ends the stream: `unauthorized` for a client that may no longer follow its topics, `gone` where there will be no
   * more messages.
   *
   * The `end` item asks the client not to reconnect. With `gone` a client that is behind first gets its backlog; with
   * `unauthorized` the backlog is dropped. Does nothing once the subscription is over.
   */
  close(reason: "unauthorized" | "gone"): void;
  /**
   * Changes the time at which the client's permission ends, as when it has renewed its session by another request.
   *
   * When it ends, the stream ends as `unauthorized` with its position, and the client reconnects at once, so that
   * `authorize` decides again. The hub checks the time with its sweep, at most a second late. A time that has passed
   * ends the stream at once. Does nothing once the subscription is over.
   *
   * @throws {CometError} `ERR_OPTION` if `expiresAt` is neither a time nor `null`.
   * @example
   * ```ts
   * for (const one of hub.subscriptions()) if (one.identity === user) one.update({ expiresAt: session.expiresAt });
   * ```
   */
  update(change: SubscriptionUpdate): void;
}

/** The last time that a `Date` can have, in milliseconds since 1970. */
const LAST_TIME = 8.64e15;

/** Checks a time at which a permission ends. @throws {CometError} `ERR_OPTION`. */
export function checkExpiry(time: unknown): number {
  return assertInteger("expiresAt", time, 0, LAST_TIME);
}

import type { EndReason, OpenState, Wire } from "../wire/item.ts";

/**
 * What happens to a subscriber that reads more slowly than its topic is published to.
 *
 * - `resume`: the hub serves it from the log at its own pace. When messages that it has not read leave the log, its stream ends, so
 *   that it reconnects with its position and learns what it missed.
 * - `skip`: as `resume`, but when messages that it has not read leave the log, it continues with the newest messages, after a gap.
 * - `latest`: of the messages that it has not read it gets the newest of each key, and those without a key, after a gap that counts
 *   the others.
 */
export type OverflowPolicy = "resume" | "skip" | "latest";

/**
 * Why a subscription is over: the client left (`client`), it read nothing for `stallMs` (`stalled`), its connection failed
 * (`error`), or the hub ended the stream for one of the reasons in PROTOCOL.md, section 4.
 */
export type CloseReason = EndReason | "client" | "stalled" | "error";

/** One client of a hub, from its first byte to its last. */
export interface Subscription {
  /** A number of its own within this hub. */
  readonly id: number;
  readonly topics: readonly string[];
  readonly wire: Wire;
  /** Who the client is, as the handler's options said. */
  readonly identity: string | undefined;
  /** How each topic began. */
  readonly states: { readonly [topic: string]: OpenState };
  /** The position up to which the hub has sent: the client would resume from here. */
  readonly position: string;
  /**
   * Ends the stream: `unauthorized` for a client that may not follow its topics any more, `gone` where there will be no more
   * messages. The client is told not to reconnect. Does nothing once the subscription is over.
   */
  close(reason: "unauthorized" | "gone"): void;
}

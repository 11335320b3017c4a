import type { Positions } from "../../log/position.ts";
import type { Start } from "../../log/start.ts";
import type { Format } from "../../wire/format.ts";
import type { Place } from "../capacity.ts";
import type { OverflowPolicy } from "../request-options.ts";
import type { OlderStarts } from "../topics/older-start.ts";

/**
 * A request for a stream, parsed and checked. `admission` makes it, and `Subscriptions` opens it.
 *
 * Every field is trusted from here on: do not construct one from unchecked input.
 */
export interface StreamRequest {
  readonly format: Format;
  readonly topics: readonly string[];
  /** The client's positions; "unreadable" if it has one that is not a hub's, so that it may have missed anything. */
  readonly positions: Positions | "unreadable";
  /**
   * The start of topics for which the client has no position; `undefined` if the request does not say. By default the
   * newest message, or the oldest of a topic that ends.
   */
  readonly from: Start | undefined;
  /** Whether a poll without new messages waits for one. */
  readonly waits: boolean;
  /** Whether the response is compressed. */
  readonly isPacked: boolean;
  /** The age in milliseconds at which the connection is recycled, if it is below the hub's `maxConnectionAgeMs`. */
  readonly maxAgeMs?: number;
}

/** The client of a stream, as the application describes it. */
export interface StreamClient {
  readonly identity: string | undefined;
  readonly context: unknown;
  /** The policy if it is too slow. The topic's by default. */
  readonly overflow: OverflowPolicy | undefined;
  /** The topics that it asked for and may not follow. */
  readonly removed: readonly string[];
  /** The topics that it asked for and that have expired. */
  readonly expired: readonly string[];
  /** Its starts among older messages, for the topics whose logs it is behind. */
  readonly starts: OlderStarts;
  /** The time until which it waits for topics that have not begun, in milliseconds of the hub's clock. */
  readonly startBy: number;
  /** The time at which its permission ends, in milliseconds since 1970; `null` if it does not end. */
  readonly expiresAt: number | null;
  /** The place that was taken for it. */
  readonly place: Place;
}

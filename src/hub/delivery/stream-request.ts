import type { Positions } from "../../log/position.ts";
import type { Format } from "../../wire/format.ts";

/**
 * A request for a stream, parsed and checked. `admission` makes it, and `Subscriptions` opens it.
 *
 * Every field is trusted from here on: do not construct one from unchecked input.
 */
export interface StreamRequest {
  readonly format: Format;
  readonly topics: readonly string[];
  readonly positions: Positions;
  /** The start of topics for which the client has no position. */
  readonly from: "newest" | "oldest";
  /** Whether a poll without new messages waits for one. */
  readonly waits: boolean;
  /** The query without its position. A plain comet page reconnects with it. */
  readonly query: string;
}

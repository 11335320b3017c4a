import type { Positions } from "../../log/position.ts";
import type { Format } from "../../wire/format.ts";

/** A request for a stream, read and checked. */
export interface StreamRequest {
  readonly format: Format;
  readonly topics: readonly string[];
  readonly positions: Positions;
  /** Where a topic begins for which the client has no position. */
  readonly from: "newest" | "oldest";
  /** Whether a poll that has nothing to tell is to wait. */
  readonly waits: boolean;
  /** The query without its position. */
  readonly query: string;
}

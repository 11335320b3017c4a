import type { FollowOptions } from "./follower.ts";
import { BareSource, type AnyEvents } from "./source.ts";
import type { ClientWire } from "./wire.ts";
import { comet } from "./wires/comet.ts";
import { firstOf } from "./wires/first-of.ts";
import { ndjson } from "./wires/ndjson.ts";
import { poll } from "./wires/poll.ts";
import { sse } from "./wires/sse.ts";

/** How a {@link CometSource} follows a hub. */
export interface CometSourceOptions extends Omit<FollowOptions, "wire"> {
  /** What to follow it over, the best first: `ndjson`, `sse`, `comet` and `poll` by default. */
  readonly wires?: readonly ClientWire[];
  /** How long a wire may take to open before the next is tried beside it: 3,000 ms by default. */
  readonly openTimeoutMs?: number;
}

/** A {@link BareSource} on the first wire that delivers. Where only the standard's members are used, it takes the place of an `EventSource`. */
export class CometSource<Events = AnyEvents> extends BareSource<Events> {
  constructor(url: string | URL, options: CometSourceOptions = {}) {
    const { wires = [ndjson, sse, comet, poll], openTimeoutMs = 3000 } = options;
    super(url, { ...options, wire: firstOf(wires, openTimeoutMs) });
  }
}

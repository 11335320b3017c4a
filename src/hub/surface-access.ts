import type { Gate } from "./admission/gate.ts";
import type { Capacity } from "./capacity.ts";
import type { HubSettings } from "./hub-settings.ts";
import type { HubCounters } from "./hub-stats.ts";
import type { Sweeper } from "./sweeper.ts";
import type { Publisher } from "./topics/publisher.ts";
import type { Topics } from "./topics/topics.ts";

/**
 * The parts of a hub that a surface uses: another protocol over the same topics, such as Durable Streams.
 *
 * A surface decides on a request itself, and ends in one of two ways: with an `Answer` of its own, or with `gate.admit`, which opens a
 * stream in the surface's own `Format`. Such a stream is a connection like any other: it is in a group, and gets its bytes by the shared
 * passes of `delivery/`. Before that it calls `gate.screen`, and `authorize` of `admission/`.
 *
 * A surface publishes by `publisher` alone, and it must not write to a log.
 */
export interface SurfaceAccess {
  readonly settings: HubSettings;
  readonly sweeper: Sweeper;
  readonly capacity: Capacity;
  readonly topics: Topics;
  readonly publisher: Publisher;
  readonly gate: Gate;
  readonly counters: HubCounters;
}

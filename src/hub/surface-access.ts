import { CometError, describe } from "../core/errors.ts";
import type { Gate } from "./admission/gate.ts";
import type { Capacity } from "./capacity.ts";
import type { HubSettings } from "./hub-settings.ts";
import type { HubCounters } from "./hub-stats.ts";
import type { Sweeper } from "./sweeper.ts";
import type { Publisher } from "./topics/publisher.ts";
import type { ProducedTopics } from "./topics/source-topic.ts";
import type { Topics } from "./topics/topics.ts";

/**
 * The parts of a hub that a surface uses: another protocol over the same topics, such as Durable Streams.
 *
 * A surface is an `Endpoint`, and decides on each request in one of three ways:
 *
 * - `gate.decide` with a `SurfaceStream`, for the stream of a topic in the surface's own `Format`: the gate makes all checks.
 * - `gate.screen` and `authorize` of `admission/`, and then an `Answer` of its own.
 * - The same, and then `gate.admit`, for a stream whose positions the gate cannot read.
 *
 * Its streams are connections like any other: they are in groups, and get their bytes by the shared passes of `delivery/`.
 * A surface publishes by `publisher`, or by `produce` of the hub, and it must not write to a log.
 */
export interface SurfaceAccess {
  readonly settings: HubSettings;
  readonly sweeper: Sweeper;
  readonly capacity: Capacity;
  readonly topics: Topics;
  readonly publisher: Publisher;
  /** The topics that `produce` fills. */
  readonly produced: ProducedTopics;
  readonly gate: Gate;
  readonly counters: HubCounters;
}

/** Returns the parts of a hub. @throws {CometError} `ERR_OPTION` for anything else than a `Hub`. */
export function surfaceAccess(hub: { readonly _surface: SurfaceAccess }): SurfaceAccess {
  const access = (Object(hub) as { readonly _surface?: SurfaceAccess })._surface;
  if (access !== undefined) return access;
  throw new CometError("ERR_OPTION", `hub must be a Hub, not ${describe(hub)}.`);
}

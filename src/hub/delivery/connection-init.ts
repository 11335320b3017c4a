/** What a connection is made of: what it shares with all others of its hub, and its own properties. */

import type { Flusher } from "../flusher.ts";
import type { HubCounters } from "../hub-stats.ts";
import type { OverflowPolicy } from "../request-options.ts";
import type { CloseReason } from "../subscription.ts";
import type { AwaitedTopic } from "./awaited-topics.ts";
import type { BatchSource } from "./batch.ts";
import type { Group } from "./group.ts";
import type { OutputLimits } from "./output.ts";
import type { ResumePoint } from "./resume-point.ts";
import type { StreamClient } from "./stream-request.ts";

/** The dependencies that all connections of a hub share. */
export interface ConnectionContext<Connection> {
  readonly heartbeatMs: number;
  readonly counters: HubCounters;
  readonly flusher: Flusher;
  /** Called once when the connection is over. `returns`: the hub has asked the client to reconnect at once. */
  readonly onClosed: (connection: Connection, reason: CloseReason, returns: boolean) => void;
  /** Called once when its sink is released, which may be later. */
  readonly onReleased: (connection: Connection) => void;
}

/** The properties of a new connection. */
export interface ConnectionInit {
  readonly id: number;
  readonly client: StreamClient;
  readonly group: Group;
  /** The group, or the sink if that reads from it. */
  readonly source: BatchSource;
  /** The start of each topic of the group, and its policy. */
  readonly resumePoints: readonly ResumePoint[];
  readonly policies: readonly OverflowPolicy[];
  /** The topics that had not begun when it was opened. */
  readonly awaited: readonly AwaitedTopic[];
  /** The time at which the hub recycles it, by the hub's clock. */
  readonly recycleAt: number;
  readonly limits: OutputLimits;
}

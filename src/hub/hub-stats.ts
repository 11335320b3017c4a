/**
 * The running counters of a hub, and the figures that `hub.stats()` makes of them.
 *
 * Each room counts its own events where they happen, so that `stats()` costs O(1). Do not compute a figure by a loop
 * over connections or topics. Decrement a gauge (`lagging`, `byWire`) exactly once for each increment.
 */

import type { Wire } from "../wire/item.ts";

/** A hub's counts since it was created, and its present state. */
export interface HubStats {
  /** The open connections, in all and by wire. */
  readonly connections: number;
  readonly byWire: { readonly [W in Wire]: number };
  /** The open connections with a backlog: they have not been sent every message yet. */
  readonly lagging: number;
  /** The live topics, and those of them that have only been asked for: nothing was published to them. */
  readonly topics: number;
  readonly askedTopics: number;
  /** The messages in all logs, and the memory in bytes that they take with their fields and encoded frames: an estimate. */
  readonly logEntries: number;
  readonly logBytes: number;
  /** The messages published by this hub. */
  readonly published: number;
  /** The messages sent to connections: one message to a hundred connections counts a hundred. */
  readonly delivered: number;
  /** The messages that gaps reported as missing. */
  readonly skipped: number;
  /** The connections opened. */
  readonly opened: number;
  /** The connections ended because of their age or bytes. */
  readonly recycled: number;
  /** The requests rejected. */
  readonly rejected: number;
  /** The work of compression, if the hub has the option `compression`, and its runtime has zlib. */
  readonly compression?: {
    /** The passes and pieces of backlogs that were compressed, each once for all clients, and the time that it took. */
    readonly packed: number;
    readonly packingMs: number;
    /** The passes and pieces that were sent uncompressed, because packing had used up its share of time. */
    readonly overBudget: number;
    /** The bytes of all compressed responses, before compression and after. */
    readonly plainBytes: number;
    readonly sentBytes: number;
  };
  /** The state of the broker, if the hub has one. */
  readonly broker?: {
    readonly name: string;
    readonly isConnected: boolean;
    /** The topics of which this hub keeps a replica. */
    readonly replicas: number;
    /** The messages that the broker has not acknowledged. */
    readonly unacknowledged: number;
  };
}

/** The running counters of compression. */
export class CompressionCounters {
  packed = 0;
  packingMs = 0;
  overBudget = 0;
  plainBytes = 0;
  sentBytes = 0;
}

/** The running counters of a hub. */
export class HubCounters {
  published = 0;
  delivered = 0;
  skipped = 0;
  lagging = 0;
  opened = 0;
  recycled = 0;
  rejected = 0;
  readonly byWire: { [W in Wire]: number } = { comet: 0, sse: 0, ndjson: 0, poll: 0 };
}

import type { Wire } from "../wire/item.ts";

/** What a hub has done since it was made, and what it holds now. */
export interface HubStats {
  /** Connections now, and by wire. */
  readonly connections: number;
  readonly byWire: { readonly [W in Wire]: number };
  /** Connections now that are behind: they have not been sent every message yet. */
  readonly lagging: number;
  /** Topics that are alive now, and what their logs hold: messages, and bytes of data as JSON. */
  readonly topics: number;
  readonly logEntries: number;
  readonly logBytes: number;
  /** Messages published by this hub. */
  readonly published: number;
  /** Messages sent to connections: one to a hundred connections counts a hundred. */
  readonly delivered: number;
  /** Messages that connections were told they missed. */
  readonly skipped: number;
  /** Connections opened. */
  readonly opened: number;
  /** Connections ended because of their age or bytes. */
  readonly recycled: number;
  /** Requests refused. */
  readonly rejected: number;
  /** The state of the broker, if the hub has one. */
  readonly broker?: {
    readonly name: string;
    readonly isConnected: boolean;
    /** Topics of which this hub keeps a replica. */
    readonly replicas: number;
    /** Messages that the broker has not acknowledged. */
    readonly unacknowledged: number;
  };
}

/** The running counts of a hub. Each room counts what it does. */
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

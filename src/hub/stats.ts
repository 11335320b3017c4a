import type { Wire } from "../wire/item.ts";

/** What a hub has done and what it holds. Numbers since it was made, unless they say otherwise. */
export interface HubStats {
  /** Connections now, and by wire. */
  readonly connections: number;
  readonly byWire: { readonly [W in Wire]: number };
  /** Connections now that have not had everything yet. */
  readonly lagging: number;
  /** Topics that are alive now, and what their logs hold: messages, and bytes of data as JSON. */
  readonly topics: number;
  readonly logEntries: number;
  readonly logBytes: number;
  readonly published: number;
  /** Messages given to connections. */
  readonly delivered: number;
  /** Messages that connections were told they missed. */
  readonly skipped: number;
  readonly opened: number;
  /** Connections ended because of their age or bytes. */
  readonly recycled: number;
  /** Requests refused. */
  readonly rejected: number;
  /** What there is of the broker, if there is one. */
  readonly broker?: {
    readonly name: string;
    readonly isConnected: boolean;
    /** Topics that it feeds here. */
    readonly feeds: number;
    /** Messages that it has not said that it has. */
    readonly unacknowledged: number;
  };
}

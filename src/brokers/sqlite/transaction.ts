import { CometError } from "../../core/errors.ts";
import type { Notice } from "../../log/broker.ts";
import type { LogBounds } from "../../log/entry.ts";
import type { Database } from "./database.ts";
import type { MessageTable } from "./message-table.ts";
import { StateTable, type StateRow } from "./state-table.ts";
import type { TopicRow } from "./topic-row.ts";

/** A message that a transaction adds. */
export interface AddedMessage {
  readonly seq: number;
  readonly topic: string;
  readonly notice: Notice;
}

/** The state of one transaction that writes, until it is committed. */
export interface Transaction {
  /** The broker's clock, in milliseconds since 1970. It never goes back. */
  readonly now: number;
  readonly era: string;
  /** The last numbers that were given before this transaction, and those that it has given. */
  readonly base: { readonly seq: number; readonly signal: number };
  seq: number;
  signal: number;
  /** The last `seq` of a time that is so long ago that other processes have notified of it. */
  readonly settled: number;
  /** The topics that it has looked up; undefined for one that has no row. */
  readonly rows: Map<string, TopicRow | undefined>;
  /** The rows that it changes, with the bounds to trim them to. */
  readonly changed: Map<TopicRow, LogBounds | undefined>;
  readonly added: AddedMessage[];
  readonly signals: string[];
  /** The number of message ids that it has added. */
  messageIds: number;
  /** Content of other programs that it has removed, in words. */
  readonly ignored: string[];
}

/** The time in milliseconds that other processes have to notify of a message before it may be deleted. */
const SETTLE_MS = 500;

/** The clock and the counters of the file, as one transaction sees and advances them. */
export class Counters {
  readonly #state: StateTable;
  readonly #messages: MessageTable;
  readonly #clock: () => number;
  /** The last `seq` at two times, at least `SETTLE_MS` apart. */
  #settled = { seq: 0, at: -Infinity };
  #settling = { seq: 0, at: -Infinity };

  /** @param clock The time in milliseconds since 1970. */
  constructor(database: Database, messages: MessageTable, clock: () => number) {
    this.#state = new StateTable(database);
    this.#messages = messages;
    this.#clock = clock;
  }

  /** Reads the state and the time. @throws {CometError} `ERR_BROKER` if the file has no state. */
  get(): StateRow & { readonly now: number } {
    const state = this.#state.get();
    if (state === undefined) {
      throw new CometError("ERR_BROKER", "The SQLite file has no state any more: another program has removed it.");
    }
    return { ...state, now: Math.max(state.at, Math.floor(this.#clock())) };
  }

  begin(): Transaction {
    const { era, signal, now, ...state } = this.get();
    // Another program may have added rows.
    const seq = Math.max(state.seq, this.#messages.lastSeq());
    const empty = { rows: new Map(), changed: new Map(), added: [], signals: [], messageIds: 0, ignored: [] };
    return { now, era, base: { seq, signal }, seq, signal, settled: this.#settle(seq), ...empty };
  }

  #settle(seq: number): number {
    const at = performance.now();
    if (at - this.#settling.at >= SETTLE_MS) {
      this.#settled = this.#settling;
      this.#settling = { seq, at };
    }
    return this.#settled.seq;
  }

  /** Stores the numbers that a transaction has given. */
  end({ seq, signal, now, base }: Transaction): void {
    if (seq > base.seq || signal > base.signal) this.#state.setCounters(seq, signal, now);
  }
}

import type { Database, Statement } from "./database.ts";

/** The one row of the table `state`. */
export interface StateRow {
  readonly uid: string;
  readonly era: string;
  readonly seq: number;
  readonly signal: number;
  readonly at: number;
  readonly file: string;
  readonly boot: string | null;
}

/** The numbers and the clock that all processes with the file share. */
export class StateTable {
  readonly #get: Statement;
  readonly #setCounters: Statement;
  readonly #setOrigin: Statement;

  constructor(database: Database) {
    this.#get = database.prepare("SELECT uid, era, seq, signal, at, file, boot FROM state");
    this.#setCounters = database.prepare("UPDATE state SET seq = ?, signal = ?, at = ?");
    this.#setOrigin = database.prepare("UPDATE state SET era = ?, file = ?, boot = ?");
  }

  /** Returns undefined if another program has removed the row. */
  get(): StateRow | undefined {
    return this.#get.get() as StateRow | undefined;
  }

  setCounters(seq: number, signal: number, at: number): void {
    this.#setCounters.run(seq, signal, at);
  }

  setOrigin(era: string, file: string, boot: string | null): void {
    this.#setOrigin.run(era, file, boot);
  }
}

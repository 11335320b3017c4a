import type { Database, Statement } from "./database.ts";
import type { Transaction } from "./transaction.ts";

/** The signals that are kept at most, and their age in milliseconds: a process that is slower misses them. */
const MAX_SIGNALS = 1000;
const MAX_AGE_MS = 10_000;

/** Signals on their way to other processes. The caller has a transaction. */
export class SignalTable {
  readonly #insert: Statement;
  readonly #after: Statement;
  readonly #trim: Statement;

  constructor(database: Database) {
    this.#insert = database.prepare("INSERT OR REPLACE INTO signal (id, at, text) VALUES (?, ?, ?)");
    this.#after = database.prepare("SELECT id, text FROM signal WHERE id > ? AND id <= ? ORDER BY id LIMIT ?");
    this.#trim = database.prepare(
      "DELETE FROM signal WHERE id <= max(?, coalesce((SELECT max(id) FROM (SELECT id, at FROM signal ORDER BY id LIMIT 100) WHERE at < ?), 0))",
    );
  }

  add(tx: Transaction, text: string): void {
    tx.signal += 1;
    tx.signals.push(text);
    this.#insert.run(tx.signal, tx.now, JSON.stringify(text));
  }

  /** The signals after one, up to another one. Signals of other programs are empty. */
  after(id: number, last: number, count: number): { readonly id: number; readonly text: string }[] {
    const rows = this.#after.all(id, last, count) as unknown as { id: number; text: string }[];
    return rows.map((row) => ({ id: row.id, text: decode(row.text) }));
  }

  /** Deletes the signals that are too many or too old. */
  trim({ signal, now }: Transaction): void {
    this.#trim.run(signal - MAX_SIGNALS, now - MAX_AGE_MS);
  }
}

/** Node 22.13 ends a text at its first NUL, so signals are stored as JSON. */
function decode(json: string): string {
  try {
    return String(JSON.parse(json));
  } catch {
    return "";
  }
}

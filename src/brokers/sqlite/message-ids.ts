import type { Position } from "../../log/position.ts";
import type { Database, Statement } from "./database.ts";

const epochForm = /^[a-z0-9]{1,32}$/;

/** The positions of recent messages by their ids, for each life of a topic. The caller has a transaction. */
export class MessageIds {
  readonly #find: Statement;
  readonly #add: Statement;
  readonly #forget: Statement;

  constructor(database: Database) {
    this.#find = database.prepare("SELECT epoch, number FROM seen WHERE life = ? AND mid = ? AND until >= ?");
    this.#add = database.prepare(
      "INSERT OR REPLACE INTO seen (life, mid, epoch, number, until) VALUES (?, ?, ?, ?, ?)",
    );
    this.#forget = database.prepare(
      "DELETE FROM seen WHERE (life, mid) IN (SELECT life, mid FROM seen WHERE until < ? ORDER BY until LIMIT ?)",
    );
  }

  find(life: number, messageId: string, now: number): Position | undefined {
    const row = this.#find.get(life, messageId, now) as { epoch: string; number: number } | undefined;
    // Another program may have written the row: a hub takes no other epoch.
    return row && epochForm.test(row.epoch) ? { epoch: row.epoch, offset: row.number } : undefined;
  }

  /** Remembers an id until a time. */
  add(life: number, messageId: string, { epoch, offset }: Position, until: number): void {
    this.#add.run(life, messageId, epoch, offset, Math.min(until, Number.MAX_SAFE_INTEGER));
  }

  /** Forgets ids that need not be remembered any longer, at most `count`. Returns whether they were as many. */
  forget(now: number, count: number): boolean {
    return Number(this.#forget.run(now, count).changes) === count;
  }
}

import type { Database, Statement } from "./database.ts";
import type { MessageTable } from "./message-table.ts";
import { isExpired, keptUntil, type TopicRow } from "./topic-row.ts";
import type { TopicTable } from "./topic-table.ts";
import { MOST_ROWS, trim } from "./trim.ts";
import type { Transaction } from "./transaction.ts";

/** The topics that one sweep looks at. */
const MOST_TOPICS = 64;

/** Removes what is too old from topics that are not published to, a bounded number of topics and rows at a time. */
export class Sweep {
  readonly #topicTtlMs: number;
  readonly #topics: TopicTable;
  readonly #messages: MessageTable;
  readonly #isDue: () => boolean;
  readonly #next: Statement;

  constructor(database: Database, topics: TopicTable, messages: MessageTable, topicTtlMs: number, clock: () => number) {
    this.#topicTtlMs = topicTtlMs;
    this.#topics = topics;
    this.#messages = messages;
    const statement = database.prepare(
      "SELECT EXISTS (SELECT 1 FROM topic WHERE due <= ?) OR EXISTS (SELECT 1 FROM seen WHERE until < ?) AS due",
    );
    this.#next = database.prepare(
      "SELECT min(due) AS due FROM (SELECT min(due) AS due FROM topic UNION ALL SELECT min(until) FROM seen)",
    );
    this.#isDue = () => {
      const now = Math.floor(clock());
      return (statement.get(now, now) as { due: number }).due !== 0;
    };
  }

  /** Whether there may be something to remove. */
  get isDue(): boolean {
    return this.#isDue();
  }

  /** The time in milliseconds since 1970 at which there is something to remove; undefined if there is nothing. */
  get nextDue(): number | undefined {
    return (this.#next.get() as { due: number | null }).due ?? undefined;
  }

  /** Sweeps once. Returns whether more is due. */
  run({ now }: Transaction): boolean {
    const due = this.#topics.due(now, MOST_TOPICS);
    let room = MOST_ROWS;
    for (const row of due) {
      if (room <= 0) return true;
      const { floor } = row;
      if (row.former === 0) this.#sweepCurrent(row, now);
      else this.#sweepFormer(row);
      room -= row.floor - floor + 1;
    }
    return due.length === MOST_TOPICS || room <= 0;
  }

  /** Removes an epoch that is over. It stays due until all its messages are removed. */
  #sweepFormer(row: TopicRow): void {
    this.#removeMessages(row);
    if (row.floor >= row.head) this.#topics.delete(row);
    else this.#topics.saveFloor(row);
  }

  #sweepCurrent(row: TopicRow, now: number): void {
    const isUnused = keptUntil(row, this.#topicTtlMs) < now;
    if (isExpired(row, now) || (row.ttl !== null && isUnused)) this.#removeMessages(row);
    else {
      const maxAgeMs = row.age ?? Infinity;
      const bounds = { maxEntries: Infinity, maxBytes: Infinity, maxAgeMs };
      trim(row, bounds, { now, settled: Number.MAX_SAFE_INTEGER, added: [] }, this.#messages);
      // Messages that were trimmed before were kept for other processes.
      this.#messages.deleteUpTo(row.id, row.floor);
    }
    if (row.floor >= row.head && isUnused) {
      this.#messages.deleteUpTo(row.id, Number.MAX_SAFE_INTEGER);
      this.#topics.delete(row);
    } else this.#topics.save(row, now, true);
  }

  #removeMessages(row: TopicRow): void {
    const rows = this.#messages.oldest(row.id, row.floor, MOST_ROWS);
    const last = rows.length < MOST_ROWS ? undefined : rows.at(-1);
    row.floor = last?.number ?? row.head;
    row.gone = Math.min(row.total, last?.before ?? row.total);
    this.#messages.deleteUpTo(row.id, last?.number ?? Number.MAX_SAFE_INTEGER);
  }
}

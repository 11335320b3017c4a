import type { Database, Statement } from "./database.ts";
import type { MessageRow } from "./row-codec.ts";

/** The oldest row after some number. */
export interface OldestRow {
  readonly number: number;
  readonly at: number;
  readonly before: number;
}

/** A row with the topic that it belongs to. */
export interface TopicMessageRow extends MessageRow {
  readonly seq: number;
  readonly name: string;
  readonly epoch: string;
}

/** The most messages that one read returns, and the bytes after which it adds no more. */
const PAGE_ENTRIES = 1000;
const PAGE_BYTES = 1_048_576;
/** The rows that are fetched at first, before their size is known. */
const FIRST_ROWS = 4;

/** The rows of each topic that are kept for other processes although they are trimmed: as many as the contract allows. */
const MOST_UNSETTLED = 256;

/** The rows of messages. The caller has a transaction. */
export class MessageTable {
  readonly #insert: Statement;
  readonly #oldest: Statement;
  readonly #youngerThan: Statement;
  readonly #page: Statement;
  readonly #deleteUpTo: Statement;
  readonly #last: Statement;
  readonly #after: Statement;
  readonly #newest: Statement;

  /** @param database One that has the temporary table `listened`, with names of topics. */
  constructor(database: Database) {
    // Only rows of other programs can be in the way.
    this.#insert = database.prepare(
      "INSERT OR REPLACE INTO message (seq, topic, number, at, before, fields, json) VALUES (?, ?, ?, ?, ?, ?, ?)",
    );
    this.#oldest = database.prepare(
      "SELECT number, at, before FROM message WHERE topic = ? AND number > ? ORDER BY number LIMIT ?",
    );
    this.#youngerThan = database.prepare(
      "SELECT number FROM message WHERE topic = ? AND number > ? AND at >= ? ORDER BY number LIMIT 1",
    );
    this.#page = database.prepare(
      "SELECT number, at, fields, json FROM message WHERE topic = ? AND number > ? AND number <= ? ORDER BY number LIMIT ?",
    );
    this.#deleteUpTo = database.prepare(
      "DELETE FROM message WHERE topic = ? AND number <= ? AND (number <= ? OR seq <= ?)",
    );
    this.#last = database.prepare("SELECT seq FROM message ORDER BY seq DESC LIMIT 1");
    const columns = "m.seq, m.number, m.at, m.fields, m.json, t.name, t.epoch";
    this.#after = database.prepare(
      `SELECT ${columns} FROM message m CROSS JOIN topic t ON t.id = m.topic ` +
        "WHERE m.seq > ? AND m.seq <= ? AND EXISTS (SELECT 1 FROM temp.listened l WHERE l.name = t.name) ORDER BY m.seq LIMIT ?",
    );
    this.#newest = database.prepare(
      `SELECT ${columns} FROM topic t JOIN message m ON m.topic = t.id AND m.number = t.head ` +
        "WHERE t.name = ? AND t.former = 0 AND m.seq > ? AND m.seq <= ?",
    );
  }

  /** Adds a message. @param before The bytes of all messages of the topic before it. */
  add(seq: number, topic: number, { number, at, fields, json }: MessageRow, before: number): void {
    this.#insert.run(seq, topic, number, at, before, fields, json);
  }

  /** The first rows after a number. */
  oldest(topic: number, after: number, count: number): OldestRow[] {
    return this.#oldest.all(topic, after, count) as unknown as OldestRow[];
  }

  /** The number of the first row after a number that is not older than a time. */
  firstSince(topic: number, after: number, at: number): number | undefined {
    return (this.#youngerThan.get(topic, after, at) as { number: number } | undefined)?.number;
  }

  /** The rows after a number up to another one, as many as make one page. */
  page(topic: number, after: number, last: number): MessageRow[] {
    const rows: MessageRow[] = [];
    let bytes = 0;
    let count = FIRST_ROWS;
    while (rows.length < PAGE_ENTRIES && bytes < PAGE_BYTES) {
      const from = rows.at(-1)?.number ?? after;
      const next = this.#page.all(topic, from, last, count) as unknown as MessageRow[];
      for (const row of next) {
        rows.push(row);
        bytes += row.json.length;
      }
      if (next.length < count) break;
      // The next rows are as many as fit if they are as large as those so far.
      const room = Math.floor(((PAGE_BYTES - bytes) * rows.length) / (bytes + 1));
      count = Math.max(1, Math.min(PAGE_ENTRIES - rows.length, room));
    }
    return rows;
  }

  /**
   * Deletes the rows up to a number. Returns how many they were.
   *
   * @param settled The `seq` up to which other processes have had time to notify of messages. Up to 256 later ones stay.
   */
  deleteUpTo(topic: number, number: number, settled: number = Number.MAX_SAFE_INTEGER): number {
    return Number(this.#deleteUpTo.run(topic, number, number - MOST_UNSETTLED, settled).changes);
  }

  /** The greatest `seq` that is held. */
  lastSeq(): number {
    return (this.#last.get() as { seq: number } | undefined)?.seq ?? 0;
  }

  /** The rows of listened topics after a `seq`, up to another one. */
  listenedAfter(seq: number, last: number, count: number): TopicMessageRow[] {
    return this.#after.all(seq, last, count) as unknown as TopicMessageRow[];
  }

  /** The newest row of a topic, if it is after a `seq` and not after another one. */
  newestOf(name: string, after: number, last: number): TopicMessageRow | undefined {
    return this.#newest.get(name, after, last) as TopicMessageRow | undefined;
  }
}

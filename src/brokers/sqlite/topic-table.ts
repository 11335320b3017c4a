import { randomName } from "../../core/random-name.ts";
import type { Database, Statement } from "./database.ts";
import { dueAt, type TopicRow } from "./topic-row.ts";

/** The time in milliseconds for which the messages of an epoch that is over are kept, so that processes can notify of them. */
const FORMER_MS = 60_000;
/** The time in milliseconds after which trimmed messages are deleted that were kept for other processes. */
const LEFT_MS = 10_000;
const COLUMNS =
  "id, name, life, epoch, head, floor, total, gone, since, used, age, due, ttl, ended, fence, lease, sent";

/** The rows of topics. The caller has a transaction. */
export class TopicTable {
  readonly #topicTtlMs: number;
  readonly #find: Statement;
  readonly #insert: Statement;
  readonly #save: Statement;
  readonly #saveFloor: Statement;
  readonly #retire: Statement;
  readonly #due: Statement;
  readonly #delete: Statement;
  readonly #keep: Statement;

  constructor(database: Database, topicTtlMs: number) {
    this.#topicTtlMs = topicTtlMs;
    this.#find = database.prepare(`SELECT ${COLUMNS} FROM topic WHERE name = ? AND former = 0`);
    this.#insert = database.prepare(
      "INSERT INTO topic (name, former, life, epoch, head, floor, total, gone, since, used, age, due, ttl, ended, fence, lease, sent) " +
        "VALUES (?, 0, ?, ?, 0, 0, 0, 0, ?, ?, NULL, 0, ?, NULL, ?, ?, ?)",
    );
    this.#save = database.prepare(
      "UPDATE topic SET head = ?, floor = ?, total = ?, gone = ?, since = ?, used = ?, age = ?, due = ?, " +
        "ttl = ?, ended = ?, fence = ?, lease = ?, sent = ? WHERE id = ?",
    );
    this.#saveFloor = database.prepare("UPDATE topic SET floor = ?, gone = ? WHERE id = ?");
    this.#retire = database.prepare("UPDATE topic SET former = id, due = ? WHERE id = ?");
    this.#due = database.prepare(`SELECT former, ${COLUMNS} FROM topic WHERE due <= ? ORDER BY due LIMIT ?`);
    this.#delete = database.prepare("DELETE FROM topic WHERE id = ?");
    this.#keep = database.prepare("UPDATE topic SET used = ? WHERE name = ? AND former = 0 AND used < ?");
  }

  /** Finds the current row of a topic. */
  find(name: string): TopicRow | undefined {
    return this.#find.get(name) as TopicRow | undefined;
  }

  /** Adds a row for a topic that has none, or whose row has been retired. It continues the life of `former`, if given. */
  add(name: string, now: number, former?: TopicRow): TopicRow {
    const epoch = randomName(12);
    const { ttl = null, fence = null, lease = null, sent = 0 } = former ?? {};
    const life = former === undefined ? null : lifeOf(former);
    const { lastInsertRowid } = this.#insert.run(name, life, epoch, now, now, ttl, fence, lease, sent);
    const counts = { head: 0, floor: 0, total: 0, gone: 0, since: now, used: now, age: null, due: 0, ended: null };
    return { id: Number(lastInsertRowid), name, life, epoch, ...counts, ttl, fence, lease, sent };
  }

  /**
   * Stores a row. The next sweep of it is at the time at which it was, unless something is due before.
   *
   * @param isDone Whether all of its trimmed messages are deleted.
   */
  save(row: TopicRow, now: number, isDone: boolean): void {
    if (row.due <= now) row.due = Number.MAX_SAFE_INTEGER;
    row.due = Math.min(row.due, dueAt(row, this.#topicTtlMs), isDone ? Number.MAX_SAFE_INTEGER : now + LEFT_MS);
    const { id, head, floor, total, gone, since, used, age, due, ttl, ended, fence, lease, sent } = row;
    this.#save.run(head, floor, total, gone, since, used, age, due, ttl, ended, fence, lease, sent, id);
  }

  /** Stores how far the messages of an epoch that is over have been removed. */
  saveFloor({ id, floor, gone }: TopicRow): void {
    this.#saveFloor.run(floor, gone, id);
  }

  /** Makes a row the one of an epoch that is over. */
  retire({ id }: TopicRow, now: number): void {
    this.#retire.run(now + FORMER_MS, id);
  }

  /** The rows that are due for the sweep, oldest first. */
  due(now: number, count: number): (TopicRow & { readonly former: number })[] {
    return this.#due.all(now, count) as unknown as (TopicRow & { readonly former: number })[];
  }

  delete({ id }: TopicRow): void {
    this.#delete.run(id);
  }

  /** Puts off the time at which a topic is forgotten, if it was last used before a time. */
  keep(name: string, now: number, before: number): void {
    this.#keep.run(now, name, before);
  }
}

/** The id of the row in which the present life of a topic began. */
export function lifeOf({ id, life }: TopicRow): number {
  return life ?? id;
}

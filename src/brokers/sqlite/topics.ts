import { CometError, describe } from "../../core/errors.ts";
import type { BrokerPublication, History, LeaseAnswer, LeaseRequest, TopicBounds } from "../../log/broker.ts";
import type { LogBounds } from "../../log/entry.ts";
import type { Position } from "../../log/position.ts";
import type { Database } from "./database.ts";
import { MessageIds } from "./message-ids.ts";
import type { MessageTable } from "./message-table.ts";
import { encodeFields, messageOf } from "./row-codec.ts";
import { finiteStateOf, hasEnded, isExpired, isInForce, isPlausible, maxAgeOf, type TopicRow } from "./topic-row.ts";
import { lifeOf, type TopicTable } from "./topic-table.ts";
import type { Transaction } from "./transaction.ts";
import { trim } from "./trim.ts";

/** The answer to a read, and whether the topic holds messages that are too old. */
export interface ReadAnswer {
  readonly history: History;
  readonly isStale: boolean;
}

/** The ids of messages that are forgotten in a transaction besides one for each that it adds. */
const MORE_IDS = 16;

/** The contract of `log/broker.ts` on the rows of topics. Each call belongs to a transaction, which `finish` completes. */
export class Topics {
  readonly #table: TopicTable;
  readonly #messages: MessageTable;
  readonly #ids: MessageIds;

  constructor(database: Database, table: TopicTable, messages: MessageTable) {
    this.#table = table;
    this.#messages = messages;
    this.#ids = new MessageIds(database);
  }

  /**
   * Adds a message, or finds the first one with the same id.
   *
   * @throws {CometError} `ERR_ENDED`, `ERR_PRODUCER_LOST`; nothing has changed then.
   */
  publish(tx: Transaction, name: string, message: BrokerPublication, bounds: TopicBounds): Position {
    const { json, event, key, messageId, bytes, ended, fence, order } = message;
    const present = this.#find(tx, name);
    const found = present !== undefined && isExpired(present, tx.now) ? undefined : present;
    if (found !== undefined && messageId !== undefined) {
      const first = this.#ids.find(lifeOf(found), messageId, tx.now);
      if (first !== undefined) return first;
    }
    if (found !== undefined && hasEnded(found)) {
      throw new CometError("ERR_ENDED", `The topic ${describe(name)} has ended.`);
    }
    if (fence !== undefined) assertLease(found, name, fence, tx.now, order);
    const row = this.#begin(tx, name, bounds);
    if (order !== undefined) row.sent = order + 1;
    const { now } = tx;
    const before = row.total;
    if (row.head === row.floor) row.since = now;
    tx.seq += 1;
    row.head += 1;
    row.total += bytes;
    const fields = encodeFields(message);
    const number = row.head;
    this.#messages.add(tx.seq, row.id, { number, at: now, fields, json }, before);
    const position = { epoch: row.epoch + tx.era, offset: number };
    if (messageId !== undefined) {
      this.#ids.add(lifeOf(row), messageId, position, now + (row.ttl ?? bounds.maxAgeMs));
      tx.messageIds += 1;
    }
    if (ended !== undefined && row.ttl !== null) {
      row.ended = now;
      row.fence = row.lease = null;
    }
    const stored = { offset: number, at: now, json, event, key, messageId, ended };
    const notice = { epoch: position.epoch, previous: number - 1, message: stored };
    tx.added.push({ seq: tx.seq, topic: name, notice });
    return position;
  }

  /**
   * Reads a page as of now, in any transaction.
   *
   * @param since The clock and the era of the file.
   * @returns `undefined` if the topic has no valid row: `create` is to add one.
   */
  read(
    { now, era }: { readonly now: number; readonly era: string },
    name: string,
    after: number,
    { maxAgeMs }: TopicBounds,
  ): ReadAnswer | undefined {
    const row = this.#table.find(name);
    if (row === undefined || !isPlausible(row)) return undefined;
    const { id, head } = row;
    const finite = finiteStateOf(row, now);
    const answer = { epoch: row.epoch + era, head, now, finite };
    if (finite?.isExpired === true) return { history: { ...answer, floor: head, messages: [] }, isStale: false };
    let { floor } = row;
    const oldestAt = now - maxAgeOf(row, maxAgeMs);
    if (floor < head && row.since < oldestAt) {
      const first = this.#messages.firstSince(id, floor, Math.ceil(oldestAt)) ?? head + 1;
      floor = Math.min(first - 1, head);
    }
    const messages = this.#messages.page(id, Math.max(after, floor), head).map(messageOf);
    return { history: { ...answer, floor, messages }, isStale: floor > row.floor };
  }

  /** Adds a row for a topic that has none. */
  create(tx: Transaction, name: string): void {
    const row = this.#find(tx, name) ?? this.#add(tx, name);
    tx.changed.set(row, tx.changed.get(row));
  }

  /** Has `finish` trim a topic to its bounds. */
  trimTo(tx: Transaction, name: string, bounds: LogBounds): void {
    const row = this.#find(tx, name);
    if (row !== undefined) tx.changed.set(row, bounds);
  }

  /** Begins another, empty epoch if the current one is the given one. Deletes a topic that has ended. */
  renew(tx: Transaction, name: string, epoch: string): void {
    const row = this.#find(tx, name);
    if (row === undefined || row.epoch + tx.era !== epoch) return;
    this.#retire(tx, row);
    if (!hasEnded(row)) this.#add(tx, name, row);
  }

  acquire(tx: Transaction, name: string, request: LeaseRequest, bounds: TopicBounds): LeaseAnswer {
    const { fence, leaseMs, restart } = request;
    const { now } = tx;
    const row = this.#find(tx, name);
    if (row !== undefined) {
      if (isInForce(row, fence, now)) return "acquired";
      // A lapsed lease is held until `settle` has ended the topic, unless that is to begin anew.
      if (row.lease !== null && (!restart || row.lease > now)) return "held";
      if (hasEnded(row) && !isExpired(row, now) && !restart) return "ended";
      if (restart) this.#retire(tx, row);
    }
    const begun = this.#begin(tx, name, bounds);
    begun.fence = fence;
    begun.lease = now + leaseMs;
    begun.sent = 0;
    return "acquired";
  }

  /** @throws {CometError} `ERR_PRODUCER_LOST`. */
  renewLease(tx: Transaction, name: string, fence: string, leaseMs: number): void {
    const row = assertLease(this.#find(tx, name), name, fence, tx.now);
    row.lease = tx.now + leaseMs;
    row.used = tx.now;
    tx.changed.set(row, tx.changed.get(row));
  }

  settle(tx: Transaction, name: string, end: BrokerPublication, bounds: TopicBounds): number | undefined {
    const { lease = null } = this.#find(tx, name) ?? {};
    if (lease === null) return undefined;
    if (lease > tx.now) return lease - tx.now;
    this.publish(tx, name, end, bounds);
    return undefined;
  }

  delete(tx: Transaction, name: string): Position | undefined {
    const row = this.#find(tx, name);
    if (row === undefined) return undefined;
    this.#retire(tx, row);
    return row.head === 0 ? undefined : { epoch: row.epoch + tx.era, offset: row.head };
  }

  /** Trims and stores the topics that a transaction has changed. */
  finish(tx: Transaction): void {
    for (const [row, bounds] of tx.changed) {
      const isDone = bounds === undefined || trim(row, bounds, tx, this.#messages);
      this.#table.save(row, tx.now, isDone);
    }
    if (tx.messageIds > 0) this.forgetIds(tx, tx.messageIds * 2 + MORE_IDS);
  }

  /** Forgets message ids that need not be remembered any longer. Returns whether there may be more. */
  forgetIds({ now }: Transaction, count: number): boolean {
    return this.#ids.forget(now, count);
  }

  /** The row of a topic. One that no hub can have written is replaced by a new one. */
  #find(tx: Transaction, name: string): TopicRow | undefined {
    if (tx.rows.has(name)) return tx.rows.get(name);
    const row = this.#table.find(name);
    const isValid = row === undefined || isPlausible(row);
    if (!isValid) {
      tx.ignored.push(`its recorded values are invalid, so the topic ${JSON.stringify(name)} has begun another epoch`);
      this.#table.retire(row, tx.now);
    }
    const found = isValid ? row : undefined;
    tx.rows.set(name, found);
    return found;
  }

  /** Prepares a topic for a message or a lease. */
  #begin(tx: Transaction, name: string, bounds: TopicBounds): TopicRow {
    const found = this.#find(tx, name);
    if (found !== undefined && isExpired(found, tx.now)) this.#retire(tx, found);
    const row = tx.rows.get(name) ?? this.#add(tx, name);
    if (bounds.ttlMs !== undefined && row.ended === null) row.ttl = bounds.ttlMs;
    row.age = row.ttl === null && Number.isFinite(bounds.maxAgeMs) ? Math.ceil(bounds.maxAgeMs) : null;
    row.used = tx.now;
    tx.changed.set(row, bounds);
    return row;
  }

  #add(tx: Transaction, name: string, former?: TopicRow): TopicRow {
    const row = this.#table.add(name, tx.now, former);
    tx.rows.set(name, row);
    tx.changed.set(row, undefined);
    return row;
  }

  #retire(tx: Transaction, row: TopicRow): void {
    if (tx.changed.delete(row)) this.#table.save(row, tx.now, true);
    this.#table.retire(row, tx.now);
    tx.rows.set(row.name, undefined);
  }
}

/**
 * Returns the row if this lease of its producer is in force.
 *
 * @param order The number of messages that must have been published with it, if given.
 * @throws {CometError} `ERR_PRODUCER_LOST` otherwise.
 */
function assertLease(row: TopicRow | undefined, name: string, fence: string, now: number, order?: number): TopicRow {
  if (row !== undefined && isInForce(row, fence, now) && row.sent === (order ?? row.sent)) return row;
  throw new CometError("ERR_PRODUCER_LOST", `This producer of the topic ${describe(name)} has lost its lease.`);
}

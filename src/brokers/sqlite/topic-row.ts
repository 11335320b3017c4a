import type { FiniteState } from "../../log/broker.ts";

/** The current row of a topic: `schema.ts` has the meaning of its columns. */
export interface TopicRow {
  readonly id: number;
  readonly name: string;
  readonly life: number | null;
  /** Random letters and digits; the epoch that hubs see is this and the file's era. */
  readonly epoch: string;
  head: number;
  floor: number;
  total: number;
  gone: number;
  since: number;
  used: number;
  /** The age in milliseconds at which its messages are trimmed; null if that is Infinity. */
  age: number | null;
  due: number;
  /** Set if it is a topic that ends and has begun. */
  ttl: number | null;
  ended: number | null;
  /** The producer's lease, and the time at which it lapses. */
  fence: string | null;
  lease: number | null;
  /** The number of messages that were published with the lease. */
  sent: number;
}

/** Up to a sixteenth more than the bounds allow is held, so that many rows are deleted at a time. */
export const SLACK: number = 1 + 1 / 16;
/** A time that does not come. */
const NEVER = Number.MAX_SAFE_INTEGER;
/** The least time in milliseconds for which a topic is kept that ends, and has not ended. */
const UNENDED_MS = 86_400_000;

/** Whether its values are ones that a hub can have written. The tables check that they are whole numbers. */
export function isPlausible({ epoch, head, floor, total, gone }: TopicRow): boolean {
  return /^[a-z0-9]{1,16}$/.test(epoch) && floor <= head && gone <= total;
}

export function hasEnded({ ttl, ended }: TopicRow): boolean {
  return ttl !== null && ended !== null;
}

/** Whether it has ended, and is no longer kept. */
export function isExpired({ ttl, ended }: TopicRow, now: number): boolean {
  return ttl !== null && ended !== null && now - ended > ttl;
}

/** Whether this lease of its producer is in force. */
export function isInForce({ fence, lease }: TopicRow, wanted: string, now: number): boolean {
  return fence === wanted && lease !== null && lease > now;
}

/** The age in milliseconds at which its messages are trimmed. A topic that ends has no such bound. */
export function maxAgeOf({ ttl }: TopicRow, maxAgeMs: number): number {
  return ttl === null ? maxAgeMs : Infinity;
}

export function finiteStateOf(row: TopicRow, now: number): FiniteState | undefined {
  // Each life begins with its first offset, in an epoch of its own.
  return row.ttl === null ? undefined : { ttlMs: row.ttl, begunAfter: 0, isExpired: isExpired(row, now) };
}

/** The time until which the row is kept, with its epoch and last offset, at least. */
export function keptUntil(row: TopicRow, topicTtlMs: number): number {
  if (row.ttl === null) return row.used + topicTtlMs;
  if (row.ended !== null) return row.ended + row.ttl + Math.max(row.ttl, topicTtlMs);
  return row.used + Math.max(UNENDED_MS, row.ttl, topicTtlMs);
}

/** The time at which something of it is to be removed, unless it is used before. */
export function dueAt(row: TopicRow, topicTtlMs: number): number {
  if (row.head === row.floor) return keptUntil(row, topicTtlMs) + 1;
  if (row.ttl !== null) return row.ended === null ? keptUntil(row, topicTtlMs) + 1 : row.ended + row.ttl + 1;
  return row.age === null ? NEVER : Math.min(NEVER, row.since + Math.ceil(row.age * SLACK) + 1);
}

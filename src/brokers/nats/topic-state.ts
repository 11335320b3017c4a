import type { BrokerMessage } from "../../log/broker.ts";
import { getNewest, getNext, readPageAfter, type EntrySource } from "./get-entries.ts";
import { readLeaseRecord } from "./lease-record.ts";
import type { Life } from "./life.ts";
import type { StoredEntry } from "./message-codec.ts";

/**
 * What the entries of a topic say of its life, as of the newest one. Each entry that is published by compare-and-set repeats the life, so
 * the newest entry alone usually has all of it.
 */
export interface TopicState {
  /** The offset of the newest entry of any kind; 0 if the stream holds none. */
  readonly newest: number;
  /** The offset of the newest entry that is a message, or from which on there is none yet. */
  readonly head: number;
  /** Undefined if the topic has not begun, or is no topic that ends. */
  readonly life: Life | undefined;
  /** The end of that life. */
  readonly end: BrokerMessage | undefined;
  /** Entries up to this offset are deleted, or of earlier lives. */
  readonly base: number;
}

export const NOT_BEGUN: TopicState = { newest: 0, head: 0, life: undefined, end: undefined, base: 0 };

/** Adds an entry to a state. An entry after an end, other than the first one of a new life, changes nothing. */
export function advance(state: TopicState, { kind, life, message, previous }: StoredEntry): TopicState {
  const { offset } = message;
  const head = kind === "begin" && previous !== undefined ? previous : offset;
  if (kind === "deleted") return { ...NOT_BEGUN, newest: offset, head, base: offset };
  const isLate = state.end !== undefined && (life === undefined || life.base < state.end.offset);
  if (isLate) return { ...state, newest: offset };
  if (life === undefined) return { ...state, newest: offset, head };
  const end = message.ended === undefined ? undefined : message;
  return { newest: offset, head, life, end, base: life.base };
}

/** Whether a topic has ended, and is no longer kept. */
export function isExpired({ life, end }: TopicState, now: number): boolean {
  return life !== undefined && end !== undefined && now - end.at > life.ttlMs;
}

/** The state without a life that has ended before the current epoch: it is deleted. */
export function inEpoch(state: TopicState, base: number): TopicState {
  if (state.end === undefined || state.end.offset > base) return state;
  return { ...NOT_BEGUN, newest: state.newest, head: state.newest, base: state.newest };
}

/** The parts that find out the state of one topic. */
export interface StateSource extends EntrySource {
  readonly leaseSubject: string;
  /** The state at an earlier time, if it is known. */
  readonly known: TopicState | undefined;
}

/**
 * Finds out the state of a topic, as of now.
 *
 * @param isThorough Whether to read the whole topic if its newest entry says nothing of its life and nothing is known of it: it may be an
 *   endless topic, or another program may have published the entry.
 */
export async function readState(source: StateSource, isThorough: boolean): Promise<TopicState> {
  const newest = await getNewest(source);
  if (newest === undefined) return await stateOfEmpty(source);
  const { known } = source;
  const { offset } = newest.message;
  if (known !== undefined && known.newest === offset) return known;
  if (newest.life !== undefined && !isAfterEnd(newest, known)) return advance(NOT_BEGUN, newest);
  if (newest.kind === "deleted") return advance(NOT_BEGUN, newest);
  const isFollowed = known?.life !== undefined && known.newest < offset;
  if (isFollowed) return await replay(source, known, offset);
  if (isThorough) return await replay(source, NOT_BEGUN, offset);
  return { ...NOT_BEGUN, newest: offset, head: offset };
}

function isAfterEnd({ life }: StoredEntry, known: TopicState | undefined): boolean {
  return known?.end !== undefined && (life === undefined || life.base < known.end.offset);
}

/** Only the lease of a producer outlives all entries of a topic. */
async function stateOfEmpty(source: StateSource): Promise<TopicState> {
  const record = await readLeaseRecord(source, source.leaseSubject);
  if (record?.renewal === undefined) return NOT_BEGUN;
  const { fence, leaseMs, ttlMs, base } = record.renewal;
  const lease = source.known?.life?.lease;
  const sent = Math.max(record.renewal.sent, lease?.fence === fence ? lease.sent : 0);
  const life: Life = { ttlMs, base, lease: { fence, leaseMs, at: record.at, sent } };
  return { newest: 0, head: base, life, end: undefined, base };
}

/** Reads the entries after a known state up to an offset. */
async function replay(source: StateSource, from: TopicState, until: number): Promise<TopicState> {
  let state = from;
  while (state.newest < until) {
    const entries = await readPageAfter(source, state.newest, until);
    if (entries.length === 0) break;
    state = entries.reduce(advance, state);
  }
  // The entries in between may have aged out since.
  if (state.newest < until && (await getNext(source, until)) === undefined) return { ...state, newest: 0 };
  return state;
}

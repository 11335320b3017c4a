import type { Log } from "../../log/log.ts";
import type { OlderMessage, OlderMessages, OlderPage } from "../../log/older.ts";
import type { Position } from "../../log/position.ts";
import { startIndex, type Start } from "../../log/start.ts";

/** The start of a reader among the messages that the broker holds before those of the log. */
export interface OlderStart {
  /** The offset after which it starts. */
  readonly after: number;
  /** The number of messages missing before it, `null` if it is unknown; `undefined` where none is missing. */
  readonly missed: number | null | undefined;
}

/**
 * The most messages that are counted, where the offsets do not show how many there are between two of them. A reader that
 * asks for more of the last ones gets those of the log, after a gap.
 */
const MAX_COUNTED = 10_000;

/** The starts of a reader, by topic. */
export type OlderStarts = ReadonlyMap<string, OlderStart>;

/** The place from which a reader wants messages: its position, or a start if it has none. */
export type ReaderPlace = Position | Start;

/** Returns whether a reader starts before the messages that a log holds, where its broker may hold some. */
export function isBehind(log: Log, place: ReaderPlace): boolean {
  if (log.older === undefined) return false;
  if (isPosition(place)) return (log.indexOf(place.epoch, place.offset) ?? log.head) < log.floor;
  const index = startIndex(log, place, log.head);
  return index === undefined || (index < log.floor && (log.isDense || lacking(log, place) <= MAX_COUNTED));
}

/**
 * Returns the start of a reader for whom {@link isBehind} holds.
 *
 * @returns Resolves to `undefined` if the topic has changed meanwhile. Rejects with the broker's error if it could not be
 *   read.
 */
export async function olderStart(log: Log, place: ReaderPlace): Promise<OlderStart | undefined> {
  const { older, begunAfter } = log;
  if (older === undefined) return undefined;
  if (isPosition(place)) {
    if (place.offset >= begunAfter) return await startAfter(log, older, place.offset);
    const start = await startAfter(log, older, begunAfter);
    // A position of an earlier topic of this name does not show what is missing. One before the first message does.
    return place.offset === 0 || start === undefined ? start : { ...start, missed: null };
  }
  if (place === "newest") return undefined;
  if (place === "oldest") return await startAfter(log, older, begunAfter);
  if ("since" in place) return await startSince(log, older, place.since);
  if (!log.isDense) return await startCounted(log, older, lacking(log, place));
  return await startAfter(log, older, Math.max(log.floorOffset - lacking(log, place), begunAfter));
}

function isPosition(place: ReaderPlace): place is Position {
  return typeof place === "object" && "epoch" in place;
}

/** Returns how many of the last messages that a reader asks for the log does not hold. */
function lacking({ floor, lastMessage }: Log, start: Start): number {
  if (typeof start !== "object" || !("last" in start)) return 0;
  return start.last - (lastMessage - floor);
}

async function startAfter(log: Log, older: OlderMessages, after: number): Promise<OlderStart | undefined> {
  if (after >= log.floorOffset) return { after, missed: undefined };
  const page = await pageAfter(older, after);
  if (page === undefined) return undefined;
  if (page.floor <= after) return { after, missed: undefined };
  return { after: page.floor, missed: log.isDense ? page.floor - after : null };
}

/**
 * Finds the start before so many of the newest older messages, where offsets do not show how many are between two of them:
 * it counts those after a guess, and guesses lower until there are enough.
 */
async function startCounted(log: Log, older: OlderMessages, count: number): Promise<OlderStart | undefined> {
  const { begunAfter, floorOffset } = log;
  for (let distance = count; ; distance *= 4) {
    const from = Math.max(floorOffset - distance, begunAfter);
    const offsets: number[] = [];
    let at = from;
    while (at < floorOffset) {
      const page = await pageAfter(older, at);
      if (page === undefined) return undefined;
      offsets.push(...page.messages.slice(page.firstAfter(at)).map(({ offset }) => offset));
      at = Math.max(page.through, page.floor);
    }
    if (offsets.length < count && from > begunAfter) continue;
    return await startAfter(log, older, offsets.at(-count - 1) ?? from);
  }
}

/** Finds the first message that was published at a time or later: messages are in the order of their times. */
async function startSince(log: Log, older: OlderMessages, since: number): Promise<OlderStart | undefined> {
  let low = log.begunAfter;
  let high = log.floorOffset;
  while (low < high) {
    const middle = Math.floor((low + high) / 2);
    const page = await pageAfter(older, middle);
    if (page === undefined) return undefined;
    const next = page.firstAfter(middle);
    const later = page.messages.findIndex(({ at }, i) => i >= next && at >= since);
    const earlier = later === -1 ? page.messages.length - 1 : later - 1;
    if (earlier < next) {
      high = middle;
      continue;
    }
    low = later === -1 ? page.through : (page.messages[earlier] as OlderMessage).offset;
    if (later !== -1) high = low;
  }
  const start = await startAfter(log, older, low);
  // It is unknown how many of the missing messages were published since that time.
  return start?.missed === undefined ? start : { ...start, missed: null };
}

async function pageAfter(older: OlderMessages, after: number): Promise<OlderPage | undefined> {
  return older.page(after) ?? (await older.load(after));
}

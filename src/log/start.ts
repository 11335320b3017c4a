/**
 * The start of a reader that has no position: its grammar, and its place in a log.
 *
 * PROTOCOL.md, section 3, fixes the grammar. Requests and `Topic.messages` share this parser, so that `from` means the
 * same on every wire and on the server. The text comes from strangers.
 */

import { fromWallClock } from "../core/clock.ts";
import { CometError, describe, type CometErrorCode } from "../core/errors.ts";
import type { Entry } from "./entry.ts";

/** The most messages that `last:N` may ask for: the highest `maxEntries` of a log. */
const MAX_LAST = 16_777_216;
/** The lowest number of milliseconds taken, in 1973. A lower one is a number of seconds, as many clocks give it. */
const MIN_TIME_MS = 100_000_000_000;

/**
 * The start of a reader in a topic: after its newest message, before its oldest one, before the `last` so many
 * messages, or before the messages published `since` a time, in milliseconds of the hub's clock.
 */
export type Start = "newest" | "oldest" | { readonly last: number } | { readonly since: number };

/** The part of a log in which a start is found: see `Log`. */
export interface StartedLog {
  readonly epoch: string;
  /** The index after which the topic has begun; `undefined` if the log does not know it. */
  readonly begin: number | undefined;
  readonly floor: number;
  readonly lastMessage: number;
  readonly lostAt: number;
  entry(index: number): Entry;
}

/** Whether a text is meant to be a start, and not a position. */
export function isStart(text: string): boolean {
  return /^(?:newest$|oldest$|last:|since:)/.test(text);
}

/**
 * Parses a start: `newest`, `oldest`, `last:N` or `since:TIME`.
 *
 * TIME is a date and time of RFC 3339, or a number of milliseconds since 1970.
 *
 * @throws {CometError} `code` if it is none of these.
 */
export function parseStart(text: string, code: CometErrorCode): Start {
  if (text === "newest" || text === "oldest") return text;
  const [word, value] = splitAt(text, ":");
  if (word === "last") return { last: parseCount(value, code) };
  if (word === "since") return { since: fromWallClock(parseTime(value, code)) };
  throw new CometError(code, `from must be newest, oldest, last:N or since:TIME, not ${describe(text)}.`);
}

/**
 * Returns the index after which a reader starts. It may be below the floor of the log, where messages that it asks for
 * are missing; `undefined` if they are missing and their number is unknown.
 *
 * @param newest The index after which a reader starts that wants only new messages.
 */
export function startIndex(log: StartedLog, start: Start, newest: number): number | undefined {
  if (start === "newest") return newest;
  const first = log.begin;
  if (start === "oldest") return first;
  if ("last" in start) {
    return Math.max(first ?? 0, log.lastMessage - start.last);
  }
  const index = indexBefore(log, start.since);
  // Messages are in the order of their times, so none is missing after one that is older, or after the last lost one.
  return index > log.floor || log.lostAt < start.since ? index : undefined;
}

/**
 * Returns the index before the first message that the log holds and that was published at this time or later. The end of
 * a topic always follows.
 */
function indexBefore(log: StartedLog, time: number): number {
  let low = log.floor;
  let high = log.lastMessage;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (log.entry(middle).at < time) low = middle;
    else high = middle - 1;
  }
  return low;
}

function parseCount(text: string, code: CometErrorCode): number {
  const count = /^[1-9]\d{0,7}$/.test(text) ? Number(text) : 0;
  if (count >= 1 && count <= MAX_LAST) return count;
  throw new CometError(code, `from=last:N takes a number from 1 to ${MAX_LAST}, not ${describe(text)}.`);
}

const dateTime = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(\.\d+)?(?:[Zz]|([+ -])(\d\d):(\d\d))$/;

/** Parses a time. Returns it in milliseconds since 1970. */
function parseTime(text: string, code: CometErrorCode): number {
  const time = /^\d{1,16}$/.test(text) ? millisecondsOf(Number(text)) : instantOf(text);
  if (time !== undefined) return time;
  throw new CometError(
    code,
    "from=since:TIME takes a date and time with its offset, such as 2026-11-28T12:00:00Z, or milliseconds since 1970, " +
      `not ${describe(text)}.`,
  );
}

function millisecondsOf(time: number): number | undefined {
  return time >= MIN_TIME_MS && Number.isSafeInteger(time) ? time : undefined;
}

/** Returns the milliseconds since 1970 of a date and time of RFC 3339; `undefined` if it is none. */
function instantOf(text: string): number | undefined {
  const match = dateTime.exec(text);
  if (match === null) return undefined;
  const [year, month, day, hour, minute, second] = match.slice(1, 7).map(Number) as [
    number,
    number,
    number,
    number,
    number,
    number,
  ];
  const [offsetHour, offsetMinute] = [Number(match[9] ?? 0), Number(match[10] ?? 0)];
  // The 60th second is a leap second, which counts as the next one.
  if (hour > 23 || minute > 59 || second > 60 || offsetHour > 23 || offsetMinute > 59) return undefined;
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  if (date.getUTCMonth() !== month - 1 || date.getUTCDate() !== day) return undefined;
  // A plus in a query means a space.
  const offset = (match[8] === "-" ? -1 : 1) * (offsetHour * 60 + offsetMinute);
  const seconds = (hour * 60 + minute - offset) * 60 + second;
  return date.getTime() + seconds * 1000 + Math.floor(Number(match[7] ?? 0) * 1000);
}

function splitAt(text: string, separator: string): readonly [before: string, after: string] {
  const at = text.indexOf(separator);
  return at === -1 ? [text, ""] : [text.slice(0, at), text.slice(at + 1)];
}

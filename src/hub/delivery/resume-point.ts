import type { Log } from "../../log/log.ts";
import type { Position } from "../../log/position.ts";
import { startIndex, type Start } from "../../log/start.ts";
import type { OpenState } from "../../wire/item.ts";
import type { OverflowPolicy } from "../request-options.ts";
import type { OlderStart } from "../topics/older-start.ts";

/** The start of a connection in one topic. */
export interface ResumePoint {
  readonly state: OpenState;
  /** The index after which it starts. */
  readonly cursor: number;
  /** The client's position, where it is not that of `cursor`. */
  readonly position?: string;
  /** Whether it is behind the log, and begins with older messages. */
  readonly isBehind?: boolean;
  /** The number of messages missing in a gap, `null` if it is unknown; `undefined` where there is no gap. */
  readonly missed: number | null | undefined;
}

/**
 * Decides where a connection starts in a topic's log.
 *
 * PROTOCOL.md, section 4, fixes the states. Never return `recovered` unless every message after the client's position
 * follows, except those that `latest` leaves out: clients rely on it to have missed nothing. The same holds for `fresh`
 * and every message that `from` asks for.
 *
 * @param position The client's position in this topic, if it has one; "unreadable" if it has one that is not the hub's.
 * @param from The start of a client without a position.
 * @param newest The index after which a connection starts that wants only new messages.
 * @param older Its start among the messages that the broker holds before those of the log, if it starts there.
 */
export function resumePoint(
  log: Log,
  position: Position | "unreadable" | undefined,
  from: Start,
  policy: OverflowPolicy,
  newest: number,
  older?: OlderStart,
): ResumePoint {
  const isPassedOver = older?.missed !== undefined && policy === "skip";
  if (older !== undefined && !isPassedOver) return pointBehind(log, older, position === undefined);
  if (position === undefined) {
    const index = startIndex(log, from, newest);
    const passed = passedStart(log, index, from === "oldest" ? log.begunAfter : undefined);
    if (passed !== undefined) return pointBehind(log, passed, true);
    if (index === undefined) return { state: "gap", cursor: beforeKept(log, from, policy), missed: null };
    const point = resumeAt(log, index, policy, log.floor);
    return point.state === "recovered" ? { ...point, state: "fresh" } : point;
  }
  const index = position === "unreadable" ? undefined : log.indexOf(position.epoch, position.offset);
  const passed = passedStart(log, index, position === "unreadable" ? undefined : position.offset);
  if (passed !== undefined) return pointBehind(log, passed, false);
  return resumeAt(log, index, policy, policy === "skip" ? Math.max(newest, log.floor) : log.floor);
}

/**
 * Returns the start of a connection that the log has passed since its request was admitted. The broker had the messages
 * then; if it has dropped them, a gap follows.
 *
 * @param offset The offset after which it starts, if that is known.
 */
function passedStart(log: Log, index: number | undefined, offset: number | undefined): OlderStart | undefined {
  if (log.older === undefined || index === undefined || index >= log.floor || index < log.holeEnd) return undefined;
  const after = offset ?? (log.isDense ? log.floorOffset - (log.floor - index) : undefined);
  if (after === undefined) return undefined;
  const isEarlier = after < log.begunAfter && after > 0;
  return { after: Math.max(after, log.begunAfter), missed: isEarlier ? null : undefined };
}

/** Returns the start of a connection among older messages. Its log may hold them by now. */
function pointBehind(log: Log, { after, missed }: OlderStart, isNew: boolean): ResumePoint {
  const cursor = log.placeOf(after);
  const state = missed !== undefined ? "gap" : isNew ? "fresh" : "recovered";
  return { state, cursor, position: log.positionAt(after), missed, isBehind: cursor < log.floor };
}

/**
 * Returns the index after which a client starts that asks for messages since a time which the log has passed: its floor,
 * or under `latest` before the newest messages of their keys that outlive the log.
 */
function beforeKept(log: Log, from: Start, policy: OverflowPolicy): number {
  const isKept = policy === "latest" && log.isDense && typeof from === "object" && "since" in from;
  if (!isKept) return log.floor;
  const kept = log.newestBeyond(0).find(({ at }) => at >= from.since);
  return kept === undefined ? log.floor : kept.index - 1;
}

/**
 * Resumes after an index, if the log knows it.
 *
 * @param afterGap The index after which a connection starts whose messages the log does not have.
 */
function resumeAt(log: Log, index: number | undefined, policy: OverflowPolicy, afterGap: number): ResumePoint {
  if (log.ended !== undefined && index === log.head && index > log.floor) {
    // A client that comes back after the end may be new to it, such as a page that was reloaded: it gets the end again.
    return { state: "recovered", cursor: index - 1, position: log.position(index), missed: undefined };
  }
  if (index !== undefined && index >= log.floor) return { state: "recovered", cursor: index, missed: undefined };
  // Where missing messages cannot be counted, the client must know that: the gap below is `null`.
  const isCounted = index !== undefined && log.missed(index, log.floor) !== null;
  if (isCounted && index >= log.holeEnd && policy === "latest" && log.isDense) {
    // The newest message of each key may outlive the log.
    const missed = log.floor - index - log.newestBeyond(index).length;
    if (missed === 0) return { state: "recovered", cursor: index, missed: undefined };
    return { state: "gap", cursor: index, missed };
  }
  return { state: "gap", cursor: afterGap, missed: index === undefined ? null : log.missed(index, afterGap) };
}

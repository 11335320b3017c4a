import type { Log } from "../../log/log.ts";
import type { Position } from "../../log/position.ts";
import type { OpenState } from "../../wire/item.ts";
import type { OverflowPolicy } from "../subscription.ts";

/** The start of a connection in one topic. */
export interface ResumePoint {
  readonly state: OpenState;
  /** The index after which it starts. */
  readonly cursor: number;
  /** The number of messages missing in a gap, `null` if it is unknown; `undefined` where there is no gap. */
  readonly missed: number | null | undefined;
}

/**
 * Decides where a connection starts in a topic's log.
 *
 * PROTOCOL.md, section 4, fixes the states. Never return `recovered` unless every message after the client's position
 * follows, except those that `latest` leaves out: clients rely on it to have missed nothing.
 *
 * @param position The client's position in this topic, if it has one.
 * @param from The start of a client without a position.
 * @param newest The index after which a connection starts that wants only new messages.
 */
export function resumePoint(
  log: Log,
  position: Position | undefined,
  from: "newest" | "oldest",
  policy: OverflowPolicy,
  newest: number,
): ResumePoint {
  if (position === undefined)
    return { state: "fresh", cursor: from === "oldest" ? log.floor : newest, missed: undefined };
  const index = log.indexOf(position.epoch, position.offset);
  if (index !== undefined && index >= log.floor) return { state: "recovered", cursor: index, missed: undefined };
  // Where missing messages cannot be counted, the client must know that: the gap below is `null`.
  const isCounted = index !== undefined && log.missed(index, log.floor) !== null;
  if (isCounted && index >= log.holeEnd && policy === "latest") {
    // The newest message of each key may outlive the log.
    const missed = log.floor - index - log.newestBeyond(index).length;
    if (missed === 0) return { state: "recovered", cursor: index, missed: undefined };
    return { state: "gap", cursor: index, missed };
  }
  const cursor = policy === "skip" ? Math.max(newest, log.floor) : log.floor;
  return { state: "gap", cursor, missed: index === undefined ? null : log.missed(index, cursor) };
}

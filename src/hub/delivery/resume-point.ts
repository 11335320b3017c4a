import type { Log } from "../../log/log.ts";
import type { Position } from "../../log/position.ts";
import type { OpenState } from "../../wire/item.ts";
import type { OverflowPolicy } from "../subscription.ts";

/** How a connection begins in one topic. */
export interface ResumePoint {
  readonly state: OpenState;
  /** The index after which it begins. */
  readonly cursor: number;
  /** How many messages a gap has cost, `null` if that is not known; `undefined` where there is no gap. */
  readonly missed: number | null | undefined;
}

/**
 * Decides where a connection begins in a topic's log.
 *
 * @param position The client's, if it has one in this topic.
 * @param from Where a client without a position begins.
 * @param newest The index after which a connection begins that wants only what is published from now on.
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
  if (index !== undefined && index >= log.holeEnd && policy === "latest") {
    // The newest message of each key may outlive the log.
    const missed = log.floor - index - log.newestBeyond(index).length;
    if (missed === 0) return { state: "recovered", cursor: index, missed: undefined };
    return { state: "gap", cursor: index, missed };
  }
  const cursor = policy === "skip" ? Math.max(newest, log.floor) : log.floor;
  return { state: "gap", cursor, missed: index === undefined ? null : log.missed(index, cursor) };
}

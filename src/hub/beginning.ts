import type { Log } from "../log/log.ts";
import type { OpenState } from "../wire/item.ts";
import type { SlowSubscriberPolicy } from "./options.ts";
import type { Asked } from "./request.ts";

/** How a topic begins on a connection. */
export interface Beginning {
  readonly state: OpenState;
  /** The index after which it begins. */
  readonly cursor: number;
  /** What a gap has cost; `undefined` where there is no gap to tell. */
  readonly missed: number | null | undefined;
}

/**
 * Where a connection begins in a topic.
 *
 * @param newest The index after which those begin who want what comes from now on.
 */
export function beginningOf(log: Log, asked: Asked, policy: SlowSubscriberPolicy, newest: number): Beginning {
  const place = asked.position.get(log.topic);
  if (place === undefined) {
    return { state: "fresh", cursor: asked.from === "oldest" ? log.floor : newest, missed: undefined };
  }
  const index = log.indexOf(place.epoch, place.offset);
  if (index !== undefined && index >= log.floor) return { state: "recovered", cursor: index, missed: undefined };
  if (index !== undefined && index >= log.holeEnd && policy === "latest") {
    // The newest of each key may outlive the log.
    const missed = log.floor - index - log.newestBeyond(index).length;
    if (missed === 0) return { state: "recovered", cursor: index, missed: undefined };
    return { state: "gap", cursor: index, missed };
  }
  const cursor = policy === "skip" ? Math.max(newest, log.floor) : log.floor;
  return { state: "gap", cursor, missed: index === undefined ? null : log.missed(index, cursor) };
}

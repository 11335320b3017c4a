import type { LogBounds } from "../../log/entry.ts";
import type { MessageTable } from "./message-table.ts";
import { SLACK, hasEnded, maxAgeOf, type TopicRow } from "./topic-row.ts";

/** The most rows that are deleted at a time. What is left is deleted the next time. */
export const MOST_ROWS = 5000;
/** The rows that are looked at together. */
const LOOK_AHEAD = 64;
/**
 * Trims the oldest messages of a topic that exceed its bounds. The caller stores the row. The end is not counted.
 *
 * @param settled The `seq` up to which other processes have had time to notify of messages: see `MessageTable.deleteUpTo`.
 * @returns Whether all trimmed messages are deleted.
 */
export function trim(
  row: TopicRow,
  bounds: LogBounds,
  { now, settled }: { readonly now: number; readonly settled: number },
  messages: MessageTable,
): boolean {
  const { id, head, total } = row;
  const ends = hasEnded(row) ? 1 : 0;
  const maxEntries = bounds.maxEntries + ends;
  const { maxBytes } = bounds;
  const maxAgeMs = maxAgeOf(row, bounds.maxAgeMs);
  const isWithin =
    head - row.floor <= bounds.maxEntries * SLACK + ends &&
    total - row.gone <= maxBytes * SLACK &&
    now - row.since <= maxAgeMs * SLACK;
  if (isWithin || head === row.floor) return true;
  const last = row.floor + MOST_ROWS;
  let floor = Math.min(last, Math.max(row.floor, head - maxEntries));
  let count = 1;
  for (;;) {
    const rows = messages.oldest(id, floor, count);
    const kept = rows.find(
      ({ number, at, before }) =>
        number > last || !(now - at > maxAgeMs || (total - before > maxBytes && number < head - ends)),
    );
    if (kept !== undefined || rows.length < count) {
      floor = Math.min(head, kept === undefined ? head : kept.number - 1);
      row.gone = Math.min(total, kept?.before ?? total);
      row.since = Math.min(now, kept?.at ?? now);
      break;
    }
    floor = rows.at(-1)?.number ?? floor;
    count = LOOK_AHEAD;
  }
  const trimmed = floor - row.floor;
  row.floor = floor;
  return trimmed <= 0 || messages.deleteUpTo(id, floor, settled) >= trimmed;
}

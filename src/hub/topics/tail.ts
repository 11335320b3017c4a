import type { History } from "../../log/broker.ts";
import type { LogBounds } from "../../log/entry.ts";

/**
 * Returns the offset after which a log begins that has no messages yet: about as many messages follow it as the log may
 * hold. A broker that keeps more has the older ones.
 *
 * @param history What the broker holds. Its offsets are dense.
 * @param read Reads the page after an offset.
 */
export async function tailOf(
  { floor, head }: History,
  { maxEntries, maxBytes }: LogBounds,
  read: (after: number) => Promise<History>,
): Promise<number> {
  let count = Math.min(maxEntries, head - floor);
  while (count > 0) {
    const { messages } = await read(head - count);
    const bytes = messages.reduce((sum, { json }) => sum + json.length, 1);
    const fitting = Math.max(1, messages.length, Math.ceil((maxBytes * messages.length) / bytes));
    // One more page costs less than reading twice as much as the log may hold.
    if (count <= fitting * 2) break;
    count = fitting;
  }
  return head - count;
}

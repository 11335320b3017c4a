import { now } from "../../core/clock.ts";
import type { Log, OlderMessage } from "../../log/log.ts";
import type { Position } from "../../log/position.ts";
import { startIndex, type Start } from "../../log/start.ts";
import type { BrokerLink } from "./broker-link.ts";
import { assertHistory } from "./check-broker-input.ts";
import type { LiveTopic } from "./live-topic.ts";

/**
 * Puts messages back into a followed replica that the hub's memory had no room for, for a reader that starts before
 * them. So a full memory costs a read, and a gap is reported only where the broker lacks messages too.
 *
 * It adds nothing where the broker has another epoch, or where the messages would not join those of the log.
 *
 * @param position The position of the reader in this topic, if it has one.
 * @param from The start of a reader without a position.
 * @returns `undefined` if the log has all that the reader needs. Rejects with the broker's error if it could not be
 *   read.
 */
export function readBack(
  topic: LiveTopic,
  link: BrokerLink,
  position: Position | undefined,
  from: Start,
): Promise<void> | undefined {
  const after = offsetBefore(topic.log, position, from);
  if (after === undefined) return undefined;
  const isTimed = position === undefined && typeof from === "object" && "since" in from;
  return readAfter(topic, link, after, isTimed ? from.since : -Infinity);
}

/** Returns the offset after which a reader needs what the memory had no room for; `undefined` if it needs none of it. */
function offsetBefore(log: Log, position: Position | undefined, from: Start): number | undefined {
  if (!log.isShortened) return undefined;
  if (position !== undefined) {
    const index = log.indexOf(position.epoch, position.offset) ?? log.head;
    return index < log.floor ? position.offset : undefined;
  }
  const index = startIndex(log, from, log.head);
  if (index === undefined) return 0;
  if (index >= log.floor) return undefined;
  return log.isDense ? Math.max(0, log.headOffset - (log.head - index)) : 0;
}

/** @param since The time before which the reader needs only the newest message, by the hub's clock. */
async function readAfter(topic: LiveTopic, link: BrokerLink, after: number, since: number): Promise<void> {
  const { log, settings } = topic;
  await link.reads.run(async () => {
    const older: OlderMessage[] = [];
    let from = after;
    while (from < log.floorOffset) {
      const history = await link.broker.read(log.topic, from, settings.bounds, Infinity);
      assertHistory(history, from);
      if (history.epoch !== log.epoch || history.messages.length === 0) return;
      for (const message of history.messages) {
        if (message.offset > log.floorOffset) break;
        // A message that was removed from the middle of a dense topic would shift the offsets before it.
        if (settings.isDense && message.offset !== from + 1) older.length = 0;
        from = message.offset;
        const decoded = link.decode(log.topic, log.epoch, message);
        // Messages before one that cannot be delivered do not join those of the log.
        const at = now() - Math.max(0, history.now - message.at);
        if (decoded === undefined || at < since) older.length = 0;
        if (decoded !== undefined) older.push({ ...decoded, offset: message.offset, at });
      }
      if (history.messages.every(({ offset }) => offset > log.floorOffset)) break;
    }
    if (from === log.floorOffset) log.prepend(older);
  });
}

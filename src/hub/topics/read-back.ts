import { now } from "../../core/clock.ts";
import type { OlderMessage } from "../../log/log.ts";
import type { BrokerLink } from "./broker-link.ts";
import { assertHistory } from "./check-broker-input.ts";
import type { LiveTopic } from "./live-topic.ts";

/**
 * Puts messages back into a followed replica that the hub's memory had no room for, for a client that comes back for
 * them. So a full memory costs a read, and a gap is told only where the broker lacks messages too.
 *
 * It adds nothing where the broker has another epoch, or where the messages would not join those of the log.
 *
 * @param after The offset of the last message that the client has.
 * @returns Rejects with the broker's error if it could not be read.
 */
export async function readBack(topic: LiveTopic, link: BrokerLink, after: number): Promise<void> {
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
        if (decoded === undefined) older.length = 0;
        else older.push({ ...decoded, offset: message.offset, at: now() - Math.max(0, history.now - message.at) });
      }
      if (history.messages.every(({ offset }) => offset > log.floorOffset)) break;
    }
    if (from === log.floorOffset) log.prepend(older);
  });
}

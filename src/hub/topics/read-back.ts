import { now } from "../../core/clock.ts";
import { afterTurn } from "../../core/turn.ts";
import type { OlderMessage } from "../../log/log.ts";
import type { LogMemory } from "../../log/log-memory.ts";
import type { BrokerLink } from "./broker-link.ts";
import { assertHistory } from "./check-broker-input.ts";
import type { LiveTopic } from "./live-topic.ts";

/** A followed replica that lacks older messages, because the hub's memory had no room for them. */
export interface Lacking {
  readonly topic: LiveTopic;
  /** The offset of the last message that the client has. */
  readonly after: number;
}

/** The part of its bound by which the memory may exceed it before no further topic of a client is read back. */
const MAX_EXCESS = 1 / 4;

/**
 * Puts messages back into the replicas of a client that comes back for them. So a full memory costs a read, and a gap is
 * emitted only where the broker lacks messages too, or where a client comes back for too much.
 *
 * What is read back exceeds the bound of the memory, since the client has yet to read it. It is freed when the next
 * client comes, so that strangers cannot have a hub read all that its broker holds. Then the client that has not read it
 * yet reconnects.
 *
 * @returns Rejects with the broker's error if it could not be read.
 */
export async function readBack(lacking: readonly Lacking[], link: BrokerLink, memory: LogMemory): Promise<void> {
  await link.readsBack.run(async () => {
    if (memory.isOver()) {
      // In a later turn, when the clients before this one have opened their streams.
      await new Promise<void>(afterTurn);
      memory.enforce();
    }
    for (const [i, { topic, after }] of lacking.entries()) {
      if (i === 0 || !memory.isOver(MAX_EXCESS)) await readBackTopic(topic, link, after);
    }
  });
}

/**
 * Puts messages back into one replica. It adds nothing where the broker has another epoch, or where the messages would
 * not join those of the log.
 */
async function readBackTopic({ log, settings }: LiveTopic, link: BrokerLink, after: number): Promise<void> {
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
}

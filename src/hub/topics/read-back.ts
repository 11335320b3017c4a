import { now } from "../../core/clock.ts";
import { afterTurn } from "../../core/turn.ts";
import type { OlderMessage } from "../../log/log.ts";
import type { LogMemory } from "../../log/log-memory.ts";
import type { Position } from "../../log/position.ts";
import { startIndex, type Start } from "../../log/start.ts";
import type { BrokerLink } from "./broker-link.ts";
import { assertHistory } from "./check-broker-input.ts";
import type { LiveTopic } from "./live-topic.ts";

/** A followed replica that lacks older messages, because the hub's memory had no room for them. */
export interface Lacking {
  readonly topic: LiveTopic;
  /** The offset after which the reader needs messages. */
  readonly after: number;
  /** The time before which the reader needs only the newest message, by the hub's clock. */
  readonly since: number;
}

/** The part of its bound by which the memory may exceed it before no further topic of a client is read back. */
const MAX_EXCESS = 1 / 4;

/**
 * Returns what a reader needs of a replica that lacks it; `undefined` if the log has all of it.
 *
 * @param position The position of the reader in this topic, if it has one.
 * @param from The start of a reader without a position.
 */
export function lackingIn(topic: LiveTopic, position: Position | undefined, from: Start): Lacking | undefined {
  const { log } = topic;
  if (!log.isShortened) return undefined;
  if (position !== undefined) {
    const index = log.indexOf(position.epoch, position.offset) ?? log.head;
    return index < log.floor ? { topic, after: position.offset, since: -Infinity } : undefined;
  }
  const since = typeof from === "object" && "since" in from ? from.since : -Infinity;
  const index = startIndex(log, from, log.head);
  if (index === undefined) return { topic, after: 0, since };
  if (index >= log.floor) return undefined;
  return { topic, after: log.isDense ? Math.max(0, log.headOffset - (log.head - index)) : 0, since };
}

/**
 * Puts messages back into the replicas of a client that needs them. So a full memory costs a read, and a gap is emitted
 * only where the broker lacks messages too, or where a client needs too many.
 *
 * These messages exceed the bound of the memory, since the client has yet to read them. They are freed when the next
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
    for (const [i, one] of lacking.entries()) {
      if (i === 0 || !memory.isOver(MAX_EXCESS)) await readBackTopic(one, link);
    }
  });
}

/**
 * Puts messages back into one replica. It adds nothing where the broker has another epoch, or where the messages would
 * not join those of the log.
 */
async function readBackTopic({ topic, after, since }: Lacking, link: BrokerLink): Promise<void> {
  const { log, settings } = topic;
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
      const at = now() - Math.max(0, history.now - message.at);
      // Messages before one that cannot be delivered do not join those of the log.
      if (decoded === undefined || at < since) older.length = 0;
      if (decoded !== undefined) older.push({ ...decoded, offset: message.offset, at });
    }
    if (history.messages.every(({ offset }) => offset > log.floorOffset)) break;
  }
  if (from === log.floorOffset) log.prepend(older);
}

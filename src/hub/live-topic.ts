import type { Log } from "../log/log.ts";
import type { Wake } from "../stream/run.ts";
import type { SlowSubscriberPolicy } from "./options.ts";

/** Those who are sent what is published to a topic, as far as the topic and the flusher know them. */
export interface TopicGroup {
  /** Whether it waits for the flusher. */
  queued: boolean;
  /** Sends what there is to send, until `deadline`, and answers whether that was all. */
  flush(deadline: number): boolean;
}

/** A topic that is alive in this process: its log, and who follows it. */
export interface LiveTopic {
  readonly log: Log;
  readonly overflow: SlowSubscriberPolicy;
  /** How many messages may wait for the flush: half of what the log holds. */
  readonly maxPendingEntries: number;
  /** How many bytes the log holds, of which half may wait. */
  readonly maxLogBytes: number;
  /** For how long the log holds a message, and the topic is remembered when nobody follows it. */
  readonly maxAgeMs: number;
  readonly groups: Set<TopicGroup>;
  /** The enumerators that wait for the next message. */
  readonly wakes: Set<Wake>;
  /** What was published since the last flush; 0 when there is nothing to flush. */
  pendingEntries: number;
  pendingBytes: number;
  /** When it was last published to or followed, in milliseconds of the hub's clock. */
  touchedAt: number;
}

/** Whether anybody would miss the topic. */
export function isFollowed(topic: LiveTopic): boolean {
  return topic.groups.size > 0 || topic.wakes.size > 0;
}

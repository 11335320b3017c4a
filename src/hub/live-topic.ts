import type { LogBounds } from "../log/entry.ts";
import type { Log } from "../log/log.ts";
import type { Wake } from "../stream/run.ts";
import type { Feed } from "./feed.ts";
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
  /** Those of the log, of which half may wait for the flush. */
  readonly bounds: LogBounds;
  readonly overflow: SlowSubscriberPolicy;
  /** For how long it is remembered when nobody follows it and its log is empty, or is its broker's. */
  readonly graceMs: number;
  /** What brings the log its messages from a broker, if there is one. */
  feed: Feed | undefined;
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

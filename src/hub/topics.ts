import { CometError, describe } from "../core/errors.ts";
import { randomName } from "../core/random-name.ts";
import type { LogBounds } from "../log/entry.ts";
import { Log } from "../log/log.ts";
import { now } from "../core/clock.ts";
import type { Feed } from "./feed.ts";
import { isFollowed, type LiveTopic } from "./live-topic.ts";
import {
  checkLogBounds,
  checkOverflow,
  type Settings,
  type SlowSubscriberPolicy,
  type TopicOptions,
} from "./options.ts";

/** How many topics one sweep looks at: those that were used longest ago come first. */
const LOOKS_PER_SWEEP = 10_000;
/** For how long a topic is fed when nobody follows it any more, in milliseconds: those who recycle come back to it. */
const FEED_GRACE_MS = 30_000;

/** How a topic is kept. */
interface Keeping {
  readonly bounds: LogBounds;
  readonly overflow: SlowSubscriberPolicy;
}

/** Where topics get their messages from, if that is not this process alone. */
export interface TopicFeeds {
  /** Whether messages have the numbers 1, 2, 3 ... */
  readonly isDense: boolean;
  open(topic: LiveTopic): Feed;
  close(feed: Feed): void;
}

/**
 * The topics that are alive: published to or followed, with messages in their logs. Each life of a topic is an epoch of its
 * own, so that a position from an earlier one is never taken for one of this.
 */
export class Topics {
  readonly #settings: Settings;
  readonly #feeds: TopicFeeds | undefined;
  /** In the order in which they were last looked at; the sweep finds those first that may have been idle longest. */
  readonly #alive = new Map<string, LiveTopic>();
  /** Those that nobody follows, in the order in which they were last used. */
  readonly #idle = new Map<string, LiveTopic>();
  /** Goes on where it was: a map that loses its first entries again and again is slow to begin with. */
  #oldestIdle: IterableIterator<LiveTopic> | undefined;
  readonly #epoch = randomName(8);
  #lives = 0;
  /** What the logs hold altogether, as far as they have been trimmed. */
  entries = 0;
  bytes = 0;

  constructor(settings: Settings, feeds: TopicFeeds | undefined) {
    this.#settings = settings;
    this.#feeds = feeds;
  }

  get size(): number {
    return this.#alive.size;
  }

  /** Whether the application knows a topic of this name. */
  isTopic(name: string): boolean {
    return this.#alive.has(name) || this.#settings.topics(name) !== false;
  }

  /**
   * The topics of these names, brought to life where they are not alive; all or none.
   *
   * @throws {CometError} `ERR_TOPIC_UNKNOWN`; `ERR_LIMIT` if there are too many, all of them needed; `ERR_OPTION` for the application's
   *   bad options.
   */
  wake(names: readonly string[]): LiveTopic[] {
    const topics = names.map((name) => this.#alive.get(name) ?? this.#create(name));
    const wanted = new Set(names);
    let tooMany = this.#alive.size - this.#settings.maxTopics;
    for (const { log } of topics) if (!this.#alive.has(log.topic)) tooMany += 1;
    for (; tooMany > 0; tooMany -= 1) {
      if (this.#makeRoom(wanted)) continue;
      throw new CometError("ERR_LIMIT", `There may be ${this.#settings.maxTopics} topics, and all are followed.`);
    }
    for (const topic of topics) {
      topic.touchedAt = now();
      topic.feed ??= this.#feeds?.open(topic);
      this.#alive.set(topic.log.topic, topic);
      this.sort(topic);
    }
    return topics;
  }

  /** Puts a topic, which was used or may have got its first follower or lost its last, among those that may be forgotten or not. */
  sort(topic: LiveTopic): void {
    const { log } = topic;
    this.#idle.delete(log.topic);
    if (!isFollowed(topic) && this.#alive.get(log.topic) === topic) this.#idle.set(log.topic, topic);
  }

  /** Changes a topic's log, and keeps count. */
  change<R>({ log }: LiveTopic, change: (log: Log) => R): R {
    this.entries -= log.size;
    this.bytes -= log.bytes;
    const result = change(log);
    this.entries += log.size;
    this.bytes += log.bytes;
    return result;
  }

  /** Trims the logs of the topics that have been idle longest, and forgets those that nobody needs. True while any are left. */
  sweep(): boolean {
    const time = now();
    let looks = Math.min(LOOKS_PER_SWEEP, this.#alive.size);
    for (const [name, topic] of this.#alive) {
      if (looks === 0) break;
      looks -= 1;
      this.change(topic, (log) => log.trim(time));
      this.#alive.delete(name);
      // A topic that was followed a moment ago may be followed again, by clients who come back with positions in it.
      const isHeld = topic.feed === undefined && topic.log.size > 0;
      if (isFollowed(topic) || isHeld || time - topic.touchedAt < topic.graceMs) this.#alive.set(name, topic);
      else this.#forget(topic);
    }
    return this.#alive.size > 0;
  }

  /** The bounds of a topic, whether it is alive or not. @throws {CometError} `ERR_TOPIC_UNKNOWN`, `ERR_OPTION`. */
  boundsOf(name: string): LogBounds {
    return (this.#alive.get(name) ?? this.#keeping(name)).bounds;
  }

  /** Wakes all enumerators: the hub is closed. */
  wakeAll(): void {
    for (const { wakes } of this.#alive.values()) for (const wake of [...wakes]) wake();
  }

  /** Forgets one topic that nobody follows, with all that its log holds; none of those that are wanted. */
  #makeRoom(wanted: ReadonlySet<string>): boolean {
    for (let looks = this.#idle.size; looks > 0; looks -= 1) {
      const topic = this.#nextIdle();
      if (topic === undefined || wanted.has(topic.log.topic)) continue;
      this.#forget(topic);
      return true;
    }
    return false;
  }

  #forget(topic: LiveTopic): void {
    this.#idle.delete(topic.log.topic);
    this.#alive.delete(topic.log.topic);
    this.change(topic, (log) => log.clear());
    if (topic.feed !== undefined) this.#feeds?.close(topic.feed);
  }

  #nextIdle(): LiveTopic | undefined {
    this.#oldestIdle ??= this.#idle.values();
    const next = this.#oldestIdle.next();
    if (next.done !== true) return next.value;
    this.#oldestIdle = this.#idle.values();
    return this.#oldestIdle.next().value as LiveTopic | undefined;
  }

  #create(name: string): LiveTopic {
    const { bounds, overflow } = this.#keeping(name);
    this.#lives += 1;
    // The epoch of a topic that is fed comes with its first messages.
    const epoch = this.#feeds === undefined ? this.#epoch + this.#lives.toString(36) : "";
    const log = new Log(name, epoch, {
      bounds,
      keepNewest: overflow === "latest",
      isDense: this.#feeds?.isDense ?? true,
    });
    return {
      log,
      bounds,
      overflow,
      graceMs: this.#feeds === undefined ? bounds.maxAgeMs : FEED_GRACE_MS,
      feed: undefined,
      groups: new Set(),
      wakes: new Set(),
      pendingEntries: 0,
      pendingBytes: 0,
      touchedAt: now(),
    };
  }

  #keeping(name: string): Keeping {
    const options: unknown = this.#settings.topics(name);
    if (options === false) throw unknownTopic(name);
    if (options !== true && (typeof options !== "object" || options === null)) {
      throw new CometError("ERR_OPTION", `topics must answer true, false or options, not ${describe(options)}.`);
    }
    const { log, overflow } = options === true ? {} : (options as TopicOptions);
    return {
      bounds: checkLogBounds(log, this.#settings.log),
      overflow: checkOverflow(overflow ?? this.#settings.overflow),
    };
  }
}

export function unknownTopic(name: string): CometError {
  return new CometError("ERR_TOPIC_UNKNOWN", `There is no topic of the name ${describe(name)}.`);
}

import { CometError, describe } from "../core/errors.ts";
import { Log } from "../log/log.ts";
import { now } from "./clock.ts";
import { isFollowed, type LiveTopic } from "./live-topic.ts";
import { checkLogBounds, checkOverflow, type Settings, type TopicOptions } from "./options.ts";

/** How many topics one sweep looks at: those that were used longest ago come first. */
const LOOKS_PER_SWEEP = 10_000;
/** How many of the oldest topics are looked at for one to forget when there are too many. */
const LOOKS_FOR_ROOM = 100;

/**
 * The topics that are alive: published to or followed, with messages in their logs. Each life of a topic is an epoch of its
 * own, so that a position from an earlier one is never taken for one of this.
 */
export class Topics {
  readonly #settings: Settings;
  /** In the order in which they were last looked at; the sweep finds those first that may have been idle longest. */
  readonly #alive = new Map<string, LiveTopic>();
  readonly #epoch = randomEpoch();
  #lives = 0;
  /** What the logs hold altogether, as far as they have been trimmed. */
  entries = 0;
  bytes = 0;

  constructor(settings: Settings) {
    this.#settings = settings;
  }

  get size(): number {
    return this.#alive.size;
  }

  get(name: string): LiveTopic | undefined {
    return this.#alive.get(name);
  }

  /** Whether the application knows a topic of this name. */
  isTopic(name: string): boolean {
    return this.#alive.has(name) || this.#settings.topics(name) !== false;
  }

  /**
   * The topic of this name, brought to life where it is not alive.
   *
   * @throws {CometError} `ERR_TOPIC_UNKNOWN`; `ERR_LIMIT` if there are too many, all of them followed.
   */
  wake(name: string): LiveTopic {
    const alive = this.#alive.get(name);
    if (alive !== undefined) {
      alive.touchedAt = now();
      return alive;
    }
    const options = this.#settings.topics(name);
    if (options === false) throw unknownTopic(name);
    if (this.#alive.size >= this.#settings.maxTopics && !this.#makeRoom()) {
      throw new CometError("ERR_LIMIT", `There are ${this.#settings.maxTopics} topics, and all are followed.`);
    }
    const topic = this.#create(name, options === true ? {} : options);
    this.#alive.set(name, topic);
    return topic;
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
      const needed = isFollowed(topic) || topic.log.size > 0 || time - topic.touchedAt < this.#settings.log.maxAgeMs;
      if (needed) this.#alive.set(name, topic);
    }
    return this.#alive.size > 0;
  }

  /** Wakes all enumerators: the hub is closed. */
  wakeAll(): void {
    for (const { wakes } of this.#alive.values()) for (const wake of [...wakes]) wake();
  }

  /** Forgets one topic that nobody follows, with all that its log holds. */
  #makeRoom(): boolean {
    let looks = LOOKS_FOR_ROOM;
    for (const [name, topic] of this.#alive) {
      if (looks === 0) break;
      looks -= 1;
      this.#alive.delete(name);
      if (!isFollowed(topic)) {
        this.change(topic, (log) => log.clear());
        return true;
      }
      this.#alive.set(name, topic);
    }
    return false;
  }

  #create(name: string, { log, overflow }: TopicOptions): LiveTopic {
    const bounds = checkLogBounds(log, this.#settings.log);
    const policy = checkOverflow(overflow ?? this.#settings.overflow);
    this.#lives += 1;
    return {
      log: new Log(name, this.#epoch + this.#lives.toString(36), bounds, policy === "latest"),
      overflow: policy,
      maxPendingEntries: Math.max(1, bounds.maxEntries >> 1),
      maxPendingBytes: bounds.maxBytes / 2,
      groups: new Set(),
      wakes: new Set(),
      pendingEntries: 0,
      pendingBytes: 0,
      touchedAt: now(),
    };
  }
}

export function unknownTopic(name: string): CometError {
  return new CometError("ERR_TOPIC_UNKNOWN", `There is no topic of the name ${describe(name)}.`);
}

/** Eight letters and digits: one process in 2.8 million million has the same as another. */
function randomEpoch(): string {
  const numbers = crypto.getRandomValues(new Uint32Array(8));
  return Array.from(numbers, (number) => (number % 36).toString(36)).join("");
}

import { now } from "../../core/clock.ts";
import { CometError, describe } from "../../core/errors.ts";
import { randomName } from "../../core/random-name.ts";
import type { LogBounds } from "../../log/entry.ts";
import type { Position, Positions } from "../../log/position.ts";
import type { Flusher } from "../flusher.ts";
import { checkLogBounds, type HubSettings, type TopicOptions } from "../hub-options.ts";
import { checkOverflow } from "../request-options.ts";
import type { OverflowPolicy } from "../subscription.ts";
import type { Sweeper } from "../sweeper.ts";
import type { BrokerLink } from "./broker-link.ts";
import { LiveTopic, TopicTotals } from "./live-topic.ts";
import { Replica } from "./replica.ts";

/** The number of topics that one sweep checks. Topics that were checked longest ago come first. */
const CHECKS_PER_SWEEP = 10_000;
/**
 * The time in milliseconds that a replica stays after its topic has lost its last follower: a recycled client
 * reconnects to it.
 */
const REPLICA_GRACE_MS = 30_000;

/** Topics that are kept alive until `release` is called, once. */
export interface HeldTopics {
  readonly topics: readonly LiveTopic[];
  readonly release: () => void;
}

/**
 * The live topics of a hub: published to or followed, or with messages in their logs. It creates them, sweeps and
 * evicts them.
 *
 * Invariants: each life of a topic is an epoch of its own, so that a position of an earlier life is never taken for one
 * of this. A topic with followers is never evicted. The two maps are ordered by time, and code that visits a topic must
 * move it to the end.
 */
export class Topics {
  readonly totals: TopicTotals = new TopicTotals();
  readonly #settings: HubSettings;
  readonly #flusher: Flusher;
  readonly #sweeper: Sweeper;
  readonly #link: BrokerLink | undefined;
  /** In the order of the last check, so that a sweep first finds the topics that may have been idle longest. */
  readonly #live = new Map<string, LiveTopic>();
  /** The topics without followers, in the order of their last use: the candidates for eviction. */
  readonly #idle = new Map<string, LiveTopic>();
  /**
   * An iterator that continues where it was: a map that repeatedly loses its first entries is slow to iterate from the
   * start.
   */
  #oldestIdle: IterableIterator<LiveTopic> | undefined;
  /** The replica of each live topic, where there is a broker. */
  readonly #replicas = new Map<LiveTopic, Replica>();
  readonly #epoch = randomName(8);
  #createdCount = 0;
  #isClosed = false;

  constructor(settings: HubSettings, flusher: Flusher, sweeper: Sweeper, link: BrokerLink | undefined) {
    this.#settings = settings;
    this.#flusher = flusher;
    this.#sweeper = sweeper;
    this.#link = link;
    sweeper.add((time) => this.#sweep(time));
  }

  get size(): number {
    return this.#live.size;
  }

  /** The number of topics that are replicas of the broker's. */
  get replicas(): number {
    return this.#replicas.size;
  }

  /**
   * Throws unless the name is a topic of the application.
   *
   * @throws {CometError} `ERR_TOPIC_UNKNOWN` otherwise; and any error of the application's `topics`.
   */
  assertTopic(name: string): void {
    if (!this.#live.has(name) && this.#settings.topics(name) === false) throw unknownTopic(name);
  }

  /**
   * Returns the topics of these names. Creates the missing ones: all or none.
   *
   * @throws {CometError} `ERR_TOPIC_UNKNOWN`; `ERR_LIMIT` if there are `maxTopics` and all are followed;
   *   `ERR_OPTION` for bad options of the application; and any error of the application's `topics`.
   */
  getOrCreate(names: readonly string[]): LiveTopic[] {
    const topics = names.map((name) => this.#live.get(name) ?? this.#create(name));
    const wanted = new Set(names);
    let excess = this.#live.size - this.#settings.maxTopics;
    for (const { name } of topics) if (!this.#live.has(name)) excess += 1;
    for (; excess > 0; excess -= 1) {
      if (this.#evictOne(wanted)) continue;
      throw new CometError(
        "ERR_LIMIT",
        `The hub has ${this.#settings.maxTopics} topics, and every one has subscribers.`,
      );
    }
    for (const topic of topics) {
      topic.touchedAt = now();
      if (this.#link !== undefined && !this.#isClosed && !this.#replicas.has(topic)) {
        this.#replicas.set(topic, new Replica(topic, this.#link, this.#settings.onError));
      }
      this.#live.set(topic.name, topic);
      this.#updateIdle(topic);
    }
    this.#sweeper.start();
    return topics;
  }

  /**
   * Keeps topics alive, and waits until their logs know where a client with these positions starts. Creates missing
   * topics.
   *
   * @returns The topics, at once where nothing waits. Rejects with `ERR_BROKER` if the broker cannot be read.
   * @throws {CometError} The codes of {@link getOrCreate}.
   */
  hold(names: readonly string[], positions: Positions): HeldTopics | Promise<HeldTopics> {
    const topics = this.getOrCreate(names);
    const holder = (): void => undefined;
    for (const topic of topics) topic.addReader(holder);
    const release = (): void => {
      for (const topic of topics) topic.removeReader(holder);
    };
    const waits = topics.flatMap((topic) => this.whenReady(topic, positions.get(topic.name)) ?? []);
    if (waits.length === 0) return { topics, release };
    return Promise.all(waits).then(
      () => ({ topics, release }),
      (cause: unknown) => {
        release();
        throw new CometError("ERR_BROKER", "The server cannot reach its message broker.", { cause });
      },
    );
  }

  /**
   * Waits until a topic's log knows what follows a position: until the replica is loaded, and holds the message that
   * the position names if the broker has it.
   *
   * @returns `undefined` where there is nothing to wait for. Rejects with the broker's error if it could not be read.
   */
  whenReady(topic: LiveTopic, position: Position | undefined): Promise<void> | undefined {
    const replica = this.#replicas.get(topic);
    if (replica === undefined) return undefined;
    const isKnown = position === undefined || topic.log.indexOf(position.epoch, position.offset) !== undefined;
    return replica.isLoaded && isKnown ? undefined : replica.refresh();
  }

  /** Returns the bounds of a topic, live or not. @throws {CometError} `ERR_TOPIC_UNKNOWN`, `ERR_OPTION`. */
  boundsOf(name: string): LogBounds {
    return this.#live.get(name)?.settings.bounds ?? this.#optionsOf(name).bounds;
  }

  /** Has all replicas read again, after the broker has reconnected. */
  restored(): void {
    for (const replica of this.#replicas.values()) replica.restored();
  }

  /** Wakes all readers, because the hub is closed. */
  wakeReaders(): void {
    for (const topic of this.#live.values()) topic.wakeReaders();
  }

  /** Stops all replicas. The logs stay, so that readers can finish them. */
  close(): void {
    this.#isClosed = true;
    for (const replica of this.#replicas.values()) replica.stop();
    this.#replicas.clear();
  }

  /** Adds the topic to the candidates for eviction, or removes it. */
  readonly #updateIdle = (topic: LiveTopic): void => {
    const { name } = topic;
    this.#idle.delete(name);
    if (!topic.isFollowed && this.#live.get(name) === topic) this.#idle.set(name, topic);
  };

  /** Trims the logs of the topics that were checked longest ago, and forgets topics without messages and followers. */
  #sweep(time: number): boolean {
    let checks = Math.min(CHECKS_PER_SWEEP, this.#live.size);
    for (const [name, topic] of this.#live) {
      if (checks === 0) break;
      checks -= 1;
      topic.trim(time);
      this.#live.delete(name);
      // A replica may be forgotten while it has messages, since the broker keeps them.
      const hasMessages = this.#link === undefined && topic.log.size > 0;
      const isNeeded = topic.isFollowed || hasMessages || time - topic.touchedAt < topic.settings.graceMs;
      if (isNeeded) this.#live.set(name, topic);
      else this.#forget(topic);
    }
    return this.#live.size > 0;
  }

  /** Evicts the topic that has been idle longest, with its whole log, but none of `wanted`. */
  #evictOne(wanted: ReadonlySet<string>): boolean {
    for (let checks = this.#idle.size; checks > 0; checks -= 1) {
      const topic = this.#nextIdle();
      if (topic === undefined || wanted.has(topic.name)) continue;
      this.#forget(topic);
      return true;
    }
    return false;
  }

  #forget(topic: LiveTopic): void {
    this.#idle.delete(topic.name);
    this.#live.delete(topic.name);
    topic.clear();
    this.#replicas.get(topic)?.stop();
    this.#replicas.delete(topic);
  }

  #nextIdle(): LiveTopic | undefined {
    this.#oldestIdle ??= this.#idle.values();
    const next = this.#oldestIdle.next();
    if (next.done !== true) return next.value;
    this.#oldestIdle = this.#idle.values();
    return this.#oldestIdle.next().value as LiveTopic | undefined;
  }

  #create(name: string): LiveTopic {
    const options = this.#optionsOf(name);
    this.#createdCount += 1;
    const isReplica = this.#link !== undefined;
    const settings = {
      ...options,
      graceMs: isReplica ? REPLICA_GRACE_MS : options.bounds.maxAgeMs,
      // A replica gets its epoch from the broker.
      epoch: isReplica ? "" : this.#epoch + this.#createdCount.toString(36),
      isDense: this.#link?.broker.isDense ?? true,
    };
    return new LiveTopic(name, settings, this.#flusher, this.totals, this.#updateIdle);
  }

  #optionsOf(name: string): { readonly bounds: LogBounds; readonly overflow: OverflowPolicy } {
    const options: unknown = this.#settings.topics(name);
    if (options === false) throw unknownTopic(name);
    if (options !== true && (typeof options !== "object" || options === null)) {
      throw new CometError(
        "ERR_OPTION",
        `topics must return true, false or an object of options, not ${describe(options)}.`,
      );
    }
    const { log, overflow } = options === true ? {} : (options as TopicOptions);
    return {
      bounds: checkLogBounds(log, this.#settings.log),
      overflow: checkOverflow(overflow ?? this.#settings.overflow),
    };
  }
}

function unknownTopic(name: string): CometError {
  return new CometError("ERR_TOPIC_UNKNOWN", `There is no topic named ${describe(name)}.`);
}

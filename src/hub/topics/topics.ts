import { now } from "../../core/clock.ts";
import { CometError, describe } from "../../core/errors.ts";
import { randomName } from "../../core/random-name.ts";
import { copyText } from "../../core/utf8.ts";
import type { LogBounds } from "../../log/entry.ts";
import { Log } from "../../log/log.ts";
import { LogMemory, type MeteredLog } from "../../log/log-memory.ts";
import type { Position, Positions } from "../../log/position.ts";
import type { Flusher } from "../flusher.ts";
import type { TopicOptions } from "../hub-options.ts";
import { checkLogBounds, type HubSettings } from "../hub-settings.ts";
import { checkOverflow } from "../request-options.ts";
import type { Sweeper } from "../sweeper.ts";
import type { BrokerLink } from "./broker-link.ts";
import { IdleTopics } from "./idle-topics.ts";
import { LiveTopic, type TopicContext, type TopicSettings } from "./live-topic.ts";
import { readBack } from "./read-back.ts";
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
 * of this. A topic with followers is never evicted. Topics that have only been asked for have bounds of their own, so
 * that no name of a client's evicts a topic with messages, or takes the place of a publication. The maps are ordered by
 * time, and code that visits a topic must move it to the end.
 */
export class Topics {
  readonly memory: LogMemory;
  readonly #settings: HubSettings;
  readonly #sweeper: Sweeper;
  readonly #link: BrokerLink | undefined;
  /** In the order of the last check, so that a sweep first finds the topics that may have been idle longest. */
  readonly #live = new Map<string, LiveTopic>();
  /** The topics without followers, in the order of their last use: with messages, and only asked for. */
  readonly #idle = new IdleTopics();
  readonly #idleAsked = new IdleTopics();
  /** The topics that have been published to. */
  readonly #written = new Set<LiveTopic>();
  /** The replica of each live topic, where there is a broker. */
  readonly #replicas = new Map<LiveTopic, Replica>();
  readonly #context: TopicContext;
  /** The settings of topics without options of their own. */
  readonly #plainSettings: TopicSettings;
  readonly #epoch = randomName(8);
  #createdCount = 0;
  #isClosed = false;

  constructor(settings: HubSettings, flusher: Flusher, sweeper: Sweeper, link: BrokerLink | undefined) {
    this.#settings = settings;
    this.#sweeper = sweeper;
    this.#link = link;
    this.memory = new LogMemory(settings.maxLogBytes, (log) => this.#freeMemory(log));
    this.#context = { flusher, memory: this.memory, onChange: (topic) => this.#update(topic) };
    this.#plainSettings = this.#settingsOf({});
    sweeper.add((time) => this.#sweep(time));
  }

  get size(): number {
    return this.#live.size;
  }

  /** The number of topics that have only been asked for. */
  get asked(): number {
    return this.#live.size - this.#written.size;
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
   * Returns the topics of these names, for a reader. Creates the missing ones: all or none.
   *
   * @throws {CometError} `ERR_TOPIC_UNKNOWN`; `ERR_LIMIT` if there are `maxAskedTopics` and all are followed;
   *   `ERR_OPTION` for bad options of the application; and any error of the application's `topics`.
   */
  getOrCreate(names: readonly string[]): LiveTopic[] {
    const topics = names.map((name) => this.#live.get(name) ?? this.#create(name));
    const isWanted = (topic: LiveTopic): boolean => topics.includes(topic);
    const { maxAskedTopics, maxTopics } = this.#settings;
    const created = topics.filter(({ name }) => !this.#live.has(name)).length;
    if (created > 0) {
      this.#makeRoom(this.#idleAsked, this.asked + created - maxAskedTopics, isWanted, "maxAskedTopics");
      // A replica of the broker's may turn out to have messages.
      if (this.#link !== undefined) {
        this.#makeRoom(this.#idle, this.#written.size + created - maxTopics, isWanted, "maxTopics");
      }
    }
    for (const topic of topics) this.#use(topic);
    return topics;
  }

  /**
   * Returns the topic of this name, for a publication. Creates it if needed.
   *
   * @throws {CometError} `ERR_TOPIC_UNKNOWN`; `ERR_LIMIT` if there are `maxTopics` with messages and all are followed;
   *   `ERR_OPTION` for bad options of the application; and any error of the application's `topics`.
   */
  toPublish(name: string): LiveTopic {
    const topic = this.#live.get(name) ?? this.#create(name);
    if (!topic.isWritten) {
      const excess = this.#written.size + 1 - this.#settings.maxTopics;
      this.#makeRoom(this.#idle, excess, (other) => other === topic, "maxTopics");
    }
    this.#use(topic);
    return topic;
  }

  /** Returns a live topic. */
  live(name: string): LiveTopic | undefined {
    return this.#live.get(name);
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
    const ready = this.whenReady(topics, positions);
    if (ready === undefined) return { topics, release };
    return ready.then(
      () => ({ topics, release }),
      (cause: unknown) => {
        release();
        throw new CometError("ERR_BROKER", "The server cannot reach its message broker.", { cause });
      },
    );
  }

  /**
   * Waits until the logs of topics know what follows a client's positions: until their replicas are loaded, and hold the
   * messages that the positions name if the broker has them.
   *
   * @returns `undefined` where there is nothing to wait for. Rejects with the broker's error if it could not be read.
   */
  whenReady(topics: readonly LiveTopic[], positions: Positions): Promise<void> | undefined {
    if (this.#link === undefined) return undefined;
    const refreshing = topics.flatMap((topic) => this.#refresh(topic, positions.get(topic.name)) ?? []);
    if (refreshing.length === 0) return this.#readBack(this.#link, topics, positions);
    const link = this.#link;
    return Promise.all(refreshing).then(() => this.#readBack(link, topics, positions));
  }

  /** Reads what the replica of a topic lacks, unless it is loaded and knows the position. */
  #refresh(topic: LiveTopic, position: Position | undefined): Promise<void> | undefined {
    const replica = this.#replicas.get(topic);
    const isKnown = position === undefined || topic.log.indexOf(position.epoch, position.offset) !== undefined;
    return replica === undefined || (replica.isLoaded && isKnown) ? undefined : replica.refresh();
  }

  /** Reads what follows the positions, if the memory had no room for it. */
  #readBack(link: BrokerLink, topics: readonly LiveTopic[], positions: Positions): Promise<void> | undefined {
    const lacking = topics.flatMap((topic) => {
      const { log } = topic;
      const position = positions.get(topic.name);
      if (position === undefined || !log.isShortened) return [];
      const index = log.indexOf(position.epoch, position.offset) ?? log.head;
      return index < log.floor ? [{ topic, after: position.offset }] : [];
    });
    return lacking.length === 0 ? undefined : readBack(lacking, link, this.memory);
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

  #use(topic: LiveTopic): void {
    topic.touchedAt = now();
    if (this.#link !== undefined && !this.#isClosed && !this.#replicas.has(topic)) {
      this.#replicas.set(topic, new Replica(topic, this.#link, this.#settings.onError));
    }
    this.#live.set(topic.name, topic);
    this.#update(topic);
    this.#sweeper.start();
  }

  /** Sorts a topic in: among those with messages, and among the candidates for eviction. */
  #update(topic: LiveTopic): void {
    this.#idle.delete(topic);
    this.#idleAsked.delete(topic);
    if (this.#live.get(topic.name) !== topic) return;
    if (topic.isWritten) this.#written.add(topic);
    if (!topic.isFollowed) (topic.isWritten ? this.#idle : this.#idleAsked).add(topic);
  }

  /**
   * Evicts topics that have been idle longest, with their whole logs.
   *
   * @throws {CometError} `ERR_LIMIT` if there are not as many as `excess` besides those that are wanted.
   */
  #makeRoom(
    idle: IdleTopics,
    excess: number,
    isWanted: (topic: LiveTopic) => boolean,
    limit: "maxTopics" | "maxAskedTopics",
  ): void {
    for (let left = excess; left > 0; left -= 1) {
      const topic = idle.oldest(isWanted);
      if (topic === undefined) {
        throw new CometError(
          "ERR_LIMIT",
          `The hub has ${limit} (${this.#settings[limit]}) topics, all with subscribers.`,
        );
      }
      this.#forget(topic);
    }
  }

  /** Frees memory of the log with the oldest message: one message, or a whole replica that nobody follows. */
  #freeMemory(log: MeteredLog): void {
    const topic = log instanceof Log ? this.#live.get(log.topic) : undefined;
    // The broker has the messages, so the next reader gets them again.
    if (topic?.log === log && this.#replicas.has(topic) && !topic.isFollowed) this.#forget(topic);
    else log.dropOldest();
  }

  /** Trims the logs of the topics that were checked longest ago, and forgets topics without messages and followers. */
  #sweep(time: number): boolean {
    let checks = Math.min(CHECKS_PER_SWEEP, this.#live.size);
    for (const [name, topic] of this.#live) {
      if (checks === 0) break;
      checks -= 1;
      topic.log.trim(time);
      this.#live.delete(name);
      // A replica may be forgotten while it has messages, since the broker keeps them.
      const hasMessages = this.#link === undefined && topic.log.size > 0;
      const isNeeded = topic.isFollowed || hasMessages || time - topic.touchedAt < topic.settings.graceMs;
      if (isNeeded) this.#live.set(name, topic);
      else this.#forget(topic);
    }
    return this.#live.size > 0;
  }

  #forget(topic: LiveTopic): void {
    this.#live.delete(topic.name);
    this.#update(topic);
    this.#written.delete(topic);
    topic.log.clear();
    this.#replicas.get(topic)?.stop();
    this.#replicas.delete(topic);
  }

  #create(name: string): LiveTopic {
    const settings = this.#optionsOf(name);
    this.#createdCount += 1;
    // A replica gets its epoch from the broker.
    const epoch = this.#link === undefined ? this.#epoch + this.#createdCount.toString(36) : "";
    // The name may be a part of a URL, which it would keep in memory.
    return new LiveTopic(copyText(name), epoch, settings, this.#context);
  }

  #optionsOf(name: string): TopicSettings {
    const options: unknown = this.#settings.topics(name);
    if (options === false) throw unknownTopic(name);
    if (options !== true && (typeof options !== "object" || options === null)) {
      throw new CometError(
        "ERR_OPTION",
        `topics must return true, false or an object of options, not ${describe(options)}.`,
      );
    }
    return options === true ? this.#plainSettings : this.#settingsOf(options);
  }

  #settingsOf({ log, overflow }: TopicOptions): TopicSettings {
    const bounds = checkLogBounds(log, this.#settings.log);
    return {
      bounds,
      overflow: checkOverflow(overflow ?? this.#settings.overflow),
      graceMs: this.#link === undefined ? bounds.maxAgeMs : REPLICA_GRACE_MS,
      isDense: this.#link?.broker.isDense ?? true,
    };
  }
}

function unknownTopic(name: string): CometError {
  return new CometError("ERR_TOPIC_UNKNOWN", `There is no topic named ${describe(name)}.`);
}

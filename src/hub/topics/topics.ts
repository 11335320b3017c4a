import { now } from "../../core/clock.ts";
import { CometError, describe } from "../../core/errors.ts";
import { randomName } from "../../core/random-name.ts";
import { copyText } from "../../core/utf8.ts";
import type { TopicBounds } from "../../log/broker.ts";
import { Log } from "../../log/log.ts";
import { LogMemory, type MeteredLog } from "../../log/log-memory.ts";
import type { Positions } from "../../log/position.ts";
import type { Start } from "../../log/start.ts";
import type { Flusher } from "../flusher.ts";
import type { HubSettings } from "../hub-settings.ts";
import type { TopicDeclaration } from "../topic.ts";
import type { Sweeper } from "../sweeper.ts";
import type { BrokerLink } from "./broker-link.ts";
import { ExpiredNames } from "./expired-names.ts";
import type { FiniteSettings } from "./finite-life.ts";
import { IdleTopics } from "./idle-topics.ts";
import { LiveTopic, type HeldTopics, type TopicContext, type TopicSettings } from "./live-topic.ts";
import type { OlderStarts } from "./older-start.ts";
import { Replicas, type ReplicatedTopics } from "./replicas.ts";
import { TopicDeclarations } from "./topic-declarations.ts";

/** The number of topics that one sweep checks. Topics that were checked longest ago come first. */
const CHECKS_PER_SWEEP = 10_000;

/**
 * The live topics of a hub: published to or followed, or with messages in their logs. It creates them, sweeps and
 * evicts them.
 *
 * Invariants: each life of a topic is an epoch of its own, so that a position of an earlier life is never taken for one
 * of this. A topic with followers is never evicted, but it may be deleted or expire. Topics that have only been asked
 * for have bounds of their own, so that no name of a client's evicts a topic with messages, or takes the place of a
 * publication.
 */
export class Topics {
  readonly memory: LogMemory;
  readonly #settings: HubSettings;
  readonly #sweeper: Sweeper;
  readonly #link: BrokerLink | undefined;
  readonly #live = new Map<string, LiveTopic>();
  /** The topics that this round of sweeps has not checked. The iterator follows the changes of the map. */
  #unswept: Iterator<LiveTopic, undefined> | undefined;
  /** The topics without followers, in the order of their last use: with messages, and only asked for. */
  readonly #idle = new IdleTopics<LiveTopic>();
  readonly #idleAsked = new IdleTopics<LiveTopic>();
  /** The topics that have been published to. */
  readonly #written = new Set<LiveTopic>();
  /** Set where there is a broker. */
  readonly #replicas: Replicas | undefined;
  readonly #context: TopicContext;
  readonly #declarations: TopicDeclarations;
  readonly #expired = new ExpiredNames();
  /** Called with every topic that is removed while it may have followers. */
  readonly #onForgotten: (topic: LiveTopic) => void;
  readonly #epoch = randomName(8);
  #createdCount = 0;
  #isClosed = false;

  /** @param onForgotten Called with every topic that is removed while it has followers. */
  constructor(
    settings: HubSettings,
    flusher: Flusher,
    sweeper: Sweeper,
    link: BrokerLink | undefined,
    onForgotten: (topic: LiveTopic) => void = () => undefined,
  ) {
    this.#settings = settings;
    this.#onForgotten = onForgotten;
    this.#sweeper = sweeper;
    this.#link = link;
    this.memory = new LogMemory(settings.maxLogBytes, (log) => this.#freeMemory(log));
    this.#context = { flusher, memory: this.memory, onChange: (topic) => this.#update(topic) };
    this.#declarations = new TopicDeclarations(settings);
    const host: ReplicatedTopics = {
      memory: this.memory,
      declare: (topic, ttlMs) => {
        if (topic.life === undefined) this.#declare(topic, this.#declarations.finite(ttlMs));
      },
      replace: (topic) => this.#forget(topic),
    };
    this.#replicas = link && new Replicas(link, host, settings.onError);
    sweeper.add((time) => this.#sweep(time));
  }

  get size(): number {
    return this.#live.size;
  }

  /** Whether the topics are a broker's, and the live ones replicas of them. */
  get hasBroker(): boolean {
    return this.#link !== undefined;
  }

  /** The number of topics that have only been asked for. */
  get asked(): number {
    return this.#live.size - this.#written.size;
  }

  /** The number of topics that are replicas of the broker's. */
  get replicas(): number {
    return this.#replicas?.size ?? 0;
  }

  /**
   * Throws unless the name is a topic of the application.
   *
   * @throws {CometError} `ERR_TOPIC_UNKNOWN` otherwise; and any error of the application's `topics`.
   */
  assertTopic(name: string): void {
    if (!this.#live.has(name)) this.#declarations.assertTopic(name);
  }

  /**
   * Returns how a topic ends that an application declares when it makes it; `undefined` if it leaves that to the hub's
   * `topics`.
   *
   * @throws {CometError} `ERR_OPTION`, `ERR_BROKER_CONFIG`; and any error of the application's `topics`.
   */
  declaration(name: string, declared: TopicDeclaration): FiniteSettings | undefined {
    return this.#declarations.declared(name, declared);
  }

  /**
   * Whether a topic of this name has ended and is no longer kept. The hub remembers the newest 10,000 of them. With a broker
   * it knows only once it holds the topic: see `LiveTopic.isExpired`.
   */
  isExpired(name: string): boolean {
    return this.#expired.has(name);
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
   * Returns the topic of this name, for a publication or an end, and notes that it has begun. Creates it if needed.
   *
   * @param finite Makes it a topic that ends, where the hub's `topics` leaves that open.
   * @throws {CometError} `ERR_TOPIC_UNKNOWN`; `ERR_LIMIT` if there are `maxTopics` with messages and all are followed;
   *   `ERR_OPTION` for bad options of the application, or if it is to end and is one that does not; and any error of the
   *   application's `topics`.
   */
  toPublish(name: string, finite?: FiniteSettings): LiveTopic {
    const known = this.#live.get(name);
    // Nothing else changes by a further message to a topic with followers.
    if (known?.isFollowed === true && known.isWritten && known.life === undefined && finite === undefined) return known;
    const topic = known ?? this.#create(name);
    if (finite !== undefined && topic.life === undefined) {
      if (topic.isWritten && this.#link === undefined) {
        const why = "is endless and has messages: it cannot be made to end";
        throw new CometError("ERR_OPTION", `The topic ${describe(name)} ${why}.`);
      }
      this.#declare(topic, finite);
    }
    if (!topic.isWritten) {
      const excess = this.#written.size + 1 - this.#settings.maxTopics;
      this.#makeRoom(this.#idle, excess, (other) => other === topic, "maxTopics");
    }
    this.#use(topic);
    this.#expired.delete(name);
    topic.life?.begin();
    return topic;
  }

  /** Removes a topic with its log, if there is one of this name. Its name may begin anew. */
  delete(name: string): void {
    const topic = this.#live.get(name);
    // One that has not begun has nothing to remove, and its readers go on waiting.
    if (topic !== undefined && !topic.isAwaited) this.#forget(topic);
    this.#expired.delete(name);
  }

  /** Returns a live topic. */
  live(name: string): LiveTopic | undefined {
    return this.#live.get(name);
  }

  /**
   * Keeps topics alive, and waits until their logs know where a client with these positions starts. Creates missing
   * topics.
   *
   * @param from The start of topics without a position; by default that of each topic.
   * @returns The topics, at once where nothing waits. Rejects with `ERR_BROKER` if the broker cannot be read.
   * @throws {CometError} The codes of {@link getOrCreate}.
   */
  hold(names: readonly string[], positions: Positions, from?: Start): HeldTopics | Promise<HeldTopics> {
    const topics = this.getOrCreate(names);
    const holder = (): void => undefined;
    for (const topic of topics) topic.addReader(holder);
    const release = (): void => {
      for (const topic of topics) topic.removeReader(holder);
    };
    const ready = this.whenReady(topics, positions, from);
    if (ready === undefined) return { topics, starts: new Map(), release };
    return ready.then(
      (starts) => {
        if (topics.every(({ isForgotten }) => !isForgotten)) return { topics, starts, release };
        // The broker has another topic of this name by now.
        release();
        return this.hold(names, positions, from);
      },
      (cause: unknown) => {
        release();
        // A topic that was deleted meanwhile is not read any more.
        if (!this.#isClosed && topics.some(({ isForgotten }) => isForgotten)) return this.hold(names, positions, from);
        throw new CometError("ERR_BROKER", "The server cannot reach its message broker.", { cause });
      },
    );
  }

  /**
   * Waits until it is known what follows a reader's positions, or its start where it has none: until the replicas are
   * loaded, and the broker has said which older messages it holds.
   *
   * @param from The start of a reader without a position; each topic's own by default.
   * @returns `undefined` where there is nothing to wait for. Resolves to the starts in the topics whose logs the reader is
   *   behind. Rejects with the broker's error if it could not be read.
   */
  whenReady(topics: readonly LiveTopic[], positions: Positions, from?: Start): Promise<OlderStarts> | undefined {
    return this.#replicas?.whenReady(topics, positions, from);
  }

  /**
   * Keeps the topic of this name alive, and waits until its log has everything that the broker has now. Creates it if
   * needed.
   *
   * @returns Rejects with `ERR_BROKER` if the broker cannot be read, and with `ERR_CLOSED` if the hub closes meanwhile.
   * @throws {CometError} The codes of {@link getOrCreate}.
   */
  async current(name: string): Promise<{ readonly topic: LiveTopic; readonly release: () => void }> {
    const [topic] = this.getOrCreate([name]) as [LiveTopic];
    const holder = (): void => undefined;
    topic.addReader(holder);
    const release = (): void => topic.removeReader(holder);
    try {
      await this.#replicas?.refresh(topic);
      if (this.#isClosed) throw new CometError("ERR_CLOSED", "The hub is closed.");
    } catch (cause) {
      release();
      if (!this.#isClosed && topic.isForgotten) return this.current(name);
      if (cause instanceof CometError && cause.code === "ERR_CLOSED") throw cause;
      throw new CometError("ERR_BROKER", "The broker cannot be read.", { cause });
    }
    if (!topic.isForgotten) return { topic, release };
    release();
    return this.current(name);
  }

  /**
   * Returns the bounds to which a topic is kept, live or not: by the broker, if there is one.
   *
   * @param finite Set if the application declares that it ends.
   * @throws {CometError} `ERR_TOPIC_UNKNOWN`, `ERR_OPTION`; and any error of the application's `topics`.
   */
  historyOf(name: string, finite?: FiniteSettings): TopicBounds {
    return this.#settingsOf(name, finite).history;
  }

  /** Returns whether a topic ends, live or not. Parameters and errors are those of {@link historyOf}. */
  isFinite(name: string, finite?: FiniteSettings): boolean {
    return this.#settingsOf(name, finite).finite !== undefined;
  }

  #settingsOf(name: string, finite: FiniteSettings | undefined): TopicSettings {
    const settings = this.#live.get(name)?.settings ?? this.#declarations.of(name);
    return finite === undefined || settings.finite !== undefined
      ? settings
      : this.#declarations.withEnd(settings, finite);
  }

  /** Has other processes know that a topic has begun without a message, or was deleted. */
  announce(name: string): void {
    this.#link?.announce(name);
  }

  /** Reads a topic that may have begun in another process, or was deleted there, if it is followed here. */
  changed(name: string): void {
    const topic = this.#live.get(name);
    if (topic?.isFollowed === true) this.#replicas?.changed(topic);
  }

  /** Has all replicas read again, after the broker has reconnected. */
  restored(): void {
    this.#replicas?.restored();
  }

  /** Wakes all readers, because the hub is closed. */
  wakeReaders(): void {
    for (const topic of this.#live.values()) topic.wakeReaders();
  }

  /** Stops all replicas. The logs stay, so that readers can finish them. */
  close(): void {
    this.#isClosed = true;
    this.#replicas?.close();
  }

  #use(topic: LiveTopic): void {
    topic.touchedAt = now();
    this.#replicas?.add(topic);
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
    else this.#replicas?.followed(topic);
  }

  /**
   * Evicts topics that have been idle longest, with their whole logs.
   *
   * @throws {CometError} `ERR_LIMIT` if there are not as many as `excess` besides those that are wanted.
   */
  #makeRoom(
    idle: IdleTopics<LiveTopic>,
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
      if (topic.log.ended === undefined || this.#link !== undefined) this.#forget(topic);
      else this.#expire(topic);
    }
  }

  /** Frees memory of the log with the oldest message: one message, or a whole replica that nobody follows. */
  #freeMemory(log: MeteredLog): void {
    const topic = log instanceof Log ? this.#live.get(log.topic) : undefined;
    // The broker has the messages, so the next reader gets them again.
    const isReplica = topic !== undefined && this.#replicas?.has(topic) === true && !topic.isFollowed;
    const isOnlyEnd = topic?.log.ended !== undefined && topic.log.size === 1;
    if (topic?.log !== log) log.dropOldest();
    else if (isReplica) this.#forget(topic);
    else if (isOnlyEnd) this.#expire(topic);
    else log.dropOldest();
  }

  /** Trims the logs of the topics that were checked longest ago, and forgets topics without messages and followers. */
  #sweep(time: number): boolean {
    for (let checks = Math.min(CHECKS_PER_SWEEP, this.#live.size); checks > 0; checks -= 1) {
      const topic = this.#nextToSweep();
      if (topic !== undefined) this.#sweepOne(topic, time);
    }
    return this.#live.size > 0;
  }

  #nextToSweep(): LiveTopic | undefined {
    const topic = this.#unswept?.next().value;
    if (topic !== undefined) return topic;
    this.#unswept = this.#live.values();
    return this.#unswept.next().value;
  }

  #sweepOne(topic: LiveTopic, time: number): void {
    if (topic.life?.isExpired(time) === true) {
      this.#expire(topic);
      return;
    }
    topic.log.trim(time);
    topic.log.older?.sweep(time);
    // A replica may be forgotten while it has messages, since the broker keeps them.
    const hasMessages = this.#link === undefined && topic.log.size > 0;
    const isNeeded = topic.isFollowed || hasMessages || time - topic.touchedAt < topic.settings.graceMs;
    if (!isNeeded) this.#forget(topic);
  }

  /** Removes a topic that has ended, and remembers its name, unless a broker does. */
  #expire(topic: LiveTopic): void {
    this.#forget(topic);
    if (this.#link === undefined) this.#expired.add(topic.name);
  }

  #forget(topic: LiveTopic): void {
    topic.isForgotten = true;
    this.#live.delete(topic.name);
    this.#update(topic);
    this.#written.delete(topic);
    topic.log.clear();
    topic.log.older?.clear();
    this.#replicas?.remove(topic);
    if (!topic.isFollowed) return;
    topic.wakeReaders();
    this.#onForgotten(topic);
  }

  #declare(topic: LiveTopic, finite: FiniteSettings): void {
    topic.declare(this.#declarations.withEnd(topic.settings, finite), finite);
  }

  #create(name: string): LiveTopic {
    const settings = this.#declarations.of(name);
    this.#createdCount += 1;
    // A replica gets its epoch from the broker.
    const epoch = this.#link === undefined ? this.#epoch + this.#createdCount.toString(36) : "";
    // The name may be a part of a URL, which it would keep in memory.
    return new LiveTopic(copyText(name), epoch, settings, this.#context);
  }
}

import { now } from "../../core/clock.ts";
import { CometError, describe } from "../../core/errors.ts";
import { randomName } from "../../core/random-name.ts";
import { copyText } from "../../core/utf8.ts";
import type { LogBounds } from "../../log/entry.ts";
import { Log } from "../../log/log.ts";
import { LogMemory, type MeteredLog } from "../../log/log-memory.ts";
import type { Position, Positions } from "../../log/position.ts";
import type { Start } from "../../log/start.ts";
import type { Flusher } from "../flusher.ts";
import type { HubSettings } from "../hub-settings.ts";
import type { TopicDeclaration } from "../topic.ts";
import type { Sweeper } from "../sweeper.ts";
import type { BrokerLink } from "./broker-link.ts";
import { ExpiredNames } from "./expired-names.ts";
import type { FiniteSettings } from "./finite-life.ts";
import { IdleTopics } from "./idle-topics.ts";
import { LiveTopic, type HeldTopics, type TopicContext } from "./live-topic.ts";
import { lackingIn, readBack, type Lacking } from "./read-back.ts";
import { Replica } from "./replica.ts";
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
 * publication. The maps are ordered by time, and code that visits a topic must move it to the end.
 */
export class Topics {
  readonly memory: LogMemory;
  readonly #settings: HubSettings;
  readonly #sweeper: Sweeper;
  readonly #link: BrokerLink | undefined;
  /** In the order of the last check, so that a sweep first finds the topics that may have been idle longest. */
  readonly #live = new Map<string, LiveTopic>();
  /** The topics without followers, in the order of their last use: with messages, and only asked for. */
  readonly #idle = new IdleTopics<LiveTopic>();
  readonly #idleAsked = new IdleTopics<LiveTopic>();
  /** The topics that have been published to. */
  readonly #written = new Set<LiveTopic>();
  /** The replica of each live topic, where there is a broker. */
  readonly #replicas = new Map<LiveTopic, Replica>();
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
    return this.#replicas.size;
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

  /** Whether a topic of this name has ended and is no longer kept. The hub remembers the newest 10,000 of them. */
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
    const topic = this.#live.get(name) ?? this.#create(name);
    if (finite !== undefined && topic.life === undefined) this.#declare(topic, finite);
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
   * Waits until the logs of topics know what follows a reader's positions, or its start where it has none: until their
   * replicas are loaded, and hold the messages that the positions name if the broker has them.
   *
   * @param from The start of a reader without a position; each topic's own by default.
   * @returns `undefined` where there is nothing to wait for. Rejects with the broker's error if it could not be read.
   */
  whenReady(topics: readonly LiveTopic[], positions: Positions, from?: Start): Promise<void> | undefined {
    const link = this.#link;
    if (link === undefined) return undefined;
    const refreshing = topics.flatMap((topic) => this.#refresh(topic, positions.get(topic.name)) ?? []);
    const lacking = (): Lacking[] =>
      topics.flatMap((topic) => lackingIn(topic, positions.get(topic.name), from ?? topic.defaultStart) ?? []);
    if (refreshing.length === 0) return this.#readBack(link, lacking());
    return Promise.all(refreshing).then(() => this.#readBack(link, lacking()));
  }

  /**
   * Waits until a topic's log has everything that the broker has now.
   *
   * @returns Rejects with the broker's error if it could not be read, and with `ERR_CLOSED` if the hub closes meanwhile.
   */
  async refresh(topic: LiveTopic): Promise<void> {
    await this.#replicas.get(topic)?.refresh();
    // A replica that is stopped has not read everything.
    if (this.#isClosed) throw new CometError("ERR_CLOSED", "The hub is closed.");
  }

  /** Reads what the replica of a topic lacks, unless it is loaded and knows the position. */
  #refresh(topic: LiveTopic, position: Position | undefined): Promise<void> | undefined {
    const replica = this.#replicas.get(topic);
    const isKnown = position === undefined || topic.log.indexOf(position.epoch, position.offset) !== undefined;
    return replica === undefined || (replica.isLoaded && isKnown) ? undefined : replica.refresh();
  }

  #readBack(link: BrokerLink, lacking: readonly Lacking[]): Promise<void> | undefined {
    return lacking.length === 0 ? undefined : readBack(lacking, link, this.memory);
  }

  /** Returns the bounds of a topic, live or not. @throws {CometError} `ERR_TOPIC_UNKNOWN`, `ERR_OPTION`. */
  boundsOf(name: string): LogBounds {
    return this.#live.get(name)?.settings.bounds ?? this.#declarations.of(name).bounds;
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
      if (topic.log.ended === undefined) this.#forget(topic);
      else this.#expire(topic);
    }
  }

  /** Frees memory of the log with the oldest message: one message, or a whole replica that nobody follows. */
  #freeMemory(log: MeteredLog): void {
    const topic = log instanceof Log ? this.#live.get(log.topic) : undefined;
    // The broker has the messages, so the next reader gets them again.
    const isReplica = topic !== undefined && this.#replicas.has(topic) && !topic.isFollowed;
    const isOnlyEnd = topic?.log.ended !== undefined && topic.log.size === 1;
    if (topic?.log !== log) log.dropOldest();
    else if (isReplica) this.#forget(topic);
    else if (isOnlyEnd) this.#expire(topic);
    else log.dropOldest();
  }

  /** Trims the logs of the topics that were checked longest ago, and forgets topics without messages and followers. */
  #sweep(time: number): boolean {
    let checks = Math.min(CHECKS_PER_SWEEP, this.#live.size);
    for (const [name, topic] of this.#live) {
      if (checks === 0) break;
      checks -= 1;
      if (topic.life?.isExpired(time) === true) {
        this.#expire(topic);
        continue;
      }
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

  /** Removes a topic that has ended, and remembers its name. */
  #expire(topic: LiveTopic): void {
    this.#forget(topic);
    this.#expired.add(topic.name);
  }

  #forget(topic: LiveTopic): void {
    topic.isForgotten = true;
    this.#live.delete(topic.name);
    this.#update(topic);
    this.#written.delete(topic);
    topic.log.clear();
    this.#replicas.get(topic)?.stop();
    this.#replicas.delete(topic);
    if (!topic.isFollowed) return;
    topic.wakeReaders();
    this.#onForgotten(topic);
  }

  /** Makes a topic one that ends. @throws {CometError} `ERR_OPTION` if it has messages and is one that does not. */
  #declare(topic: LiveTopic, finite: FiniteSettings): void {
    if (topic.isWritten) {
      const name = describe(topic.name);
      throw new CometError("ERR_OPTION", `The topic ${name} is endless and has messages: it cannot be made to end.`);
    }
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

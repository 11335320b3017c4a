import { now } from "../../core/clock.ts";
import { CometError, describe } from "../../core/errors.ts";
import { randomName } from "../../core/random-name.ts";
import type { LogBounds } from "../../log/entry.ts";
import type { Position, Positions } from "../../log/position.ts";
import type { Flusher } from "../flusher.ts";
import { checkLogBounds, checkOverflow, type HubSettings, type TopicOptions } from "../hub-options.ts";
import type { OverflowPolicy } from "../subscription.ts";
import type { Sweeper } from "../sweeper.ts";
import type { BrokerLink } from "./broker-link.ts";
import { LiveTopic, TopicTotals } from "./live-topic.ts";
import { Replica } from "./replica.ts";

/** How many topics one sweep looks at. The topics that were looked at longest ago come first. */
const LOOKS_PER_SWEEP = 10_000;
/** For how long a replica stays when its topic has lost its last follower, in milliseconds: a recycled client returns to it. */
const REPLICA_GRACE_MS = 30_000;

/** Topics that stay alive until they are released. */
export interface HeldTopics {
  readonly topics: readonly LiveTopic[];
  readonly release: () => void;
}

/**
 * The topics of a hub that are alive: published to or followed, or with messages in their logs. Each life of a topic is an epoch of its own,
 * so that a position of an earlier life is never taken for one of this.
 */
export class Topics {
  readonly totals: TopicTotals = new TopicTotals();
  readonly #settings: HubSettings;
  readonly #flusher: Flusher;
  readonly #sweeper: Sweeper;
  readonly #link: BrokerLink | undefined;
  /** In the order in which they were last looked at, so that a sweep finds those first that may have been idle longest. */
  readonly #alive = new Map<string, LiveTopic>();
  /** The topics without followers, in the order in which they were last used: the candidates for eviction. */
  readonly #idle = new Map<string, LiveTopic>();
  /** Continues where it was: a map that loses its first entries again and again is slow to iterate from the start. */
  #oldestIdle: IterableIterator<LiveTopic> | undefined;
  /** The replica of each live topic, where there is a broker. */
  readonly #replicas = new Map<LiveTopic, Replica>();
  readonly #epoch = randomName(8);
  #lives = 0;
  #isClosed = false;

  constructor(settings: HubSettings, flusher: Flusher, sweeper: Sweeper, link: BrokerLink | undefined) {
    this.#settings = settings;
    this.#flusher = flusher;
    this.#sweeper = sweeper;
    this.#link = link;
    sweeper.add((time) => this.#sweep(time));
  }

  get size(): number {
    return this.#alive.size;
  }

  /** How many topics are replicas of the broker's. */
  get replicas(): number {
    return this.#replicas.size;
  }

  /** @throws {CometError} `ERR_TOPIC_UNKNOWN` for a name that is not a topic of the application; and what the application throws. */
  assertTopic(name: string): void {
    if (!this.#alive.has(name) && this.#settings.topics(name) === false) throw unknownTopic(name);
  }

  /**
   * The topics of these names. Creates the missing ones; all or none.
   *
   * @throws {CometError} `ERR_TOPIC_UNKNOWN`; `ERR_LIMIT` if there are `maxTopics`, and all are followed; `ERR_OPTION` for the
   *   application's bad options; and what the application throws.
   */
  getOrCreate(names: readonly string[]): LiveTopic[] {
    const topics = names.map((name) => this.#alive.get(name) ?? this.#create(name));
    const wanted = new Set(names);
    let tooMany = this.#alive.size - this.#settings.maxTopics;
    for (const { name } of topics) if (!this.#alive.has(name)) tooMany += 1;
    for (; tooMany > 0; tooMany -= 1) {
      if (this.#evictOne(wanted)) continue;
      throw new CometError("ERR_LIMIT", `There may be ${this.#settings.maxTopics} topics, and all are followed.`);
    }
    for (const topic of topics) {
      topic.touchedAt = now();
      if (this.#link !== undefined && !this.#isClosed && !this.#replicas.has(topic)) {
        this.#replicas.set(topic, new Replica(topic, this.#link, this.#settings.onError));
      }
      this.#alive.set(topic.name, topic);
      this.#updateIdle(topic);
    }
    this.#sweeper.start();
    return topics;
  }

  /**
   * Creates topics where needed, keeps them alive, and waits until their logs can say where a client with these positions begins.
   *
   * @returns Rejects with `ERR_BROKER` if the broker cannot be asked.
   * @throws {CometError} as {@link getOrCreate}.
   */
  hold(names: readonly string[], positions: Positions): HeldTopics | Promise<HeldTopics> {
    const topics = this.getOrCreate(names);
    const stay = (): void => undefined;
    for (const topic of topics) topic.addReader(stay);
    const release = (): void => {
      for (const topic of topics) topic.removeReader(stay);
    };
    const waits = topics.flatMap((topic) => this.whenReady(topic, positions.get(topic.name)) ?? []);
    if (waits.length === 0) return { topics, release };
    return Promise.all(waits).then(
      () => ({ topics, release }),
      (cause: unknown) => {
        release();
        throw new CometError("ERR_BROKER", "This server cannot reach its messages now.", { cause });
      },
    );
  }

  /**
   * Waits until a topic's log can say what follows a position: until the replica is loaded, and has the message that the position names, if
   * the broker has it.
   *
   * @returns Nothing where nothing waits. Rejects with the broker's error if it could not be asked.
   */
  whenReady(topic: LiveTopic, position: Position | undefined): Promise<void> | undefined {
    const replica = this.#replicas.get(topic);
    if (replica === undefined) return undefined;
    const isKnown = position === undefined || topic.log.indexOf(position.epoch, position.offset) !== undefined;
    return replica.isLoaded && isKnown ? undefined : replica.refresh();
  }

  /** The bounds of a topic, whether it is alive or not. @throws {CometError} `ERR_TOPIC_UNKNOWN`, `ERR_OPTION`. */
  boundsOf(name: string): LogBounds {
    return this.#alive.get(name)?.settings.bounds ?? this.#keeping(name).bounds;
  }

  /** Reads all replicas again: the broker was away. */
  restored(): void {
    for (const replica of this.#replicas.values()) replica.restored();
  }

  /** Wakes all readers: the hub is closed. */
  wakeReaders(): void {
    for (const topic of this.#alive.values()) topic.wakeReaders();
  }

  /** Stops all replicas. The logs stay, for readers to read to their end. */
  close(): void {
    this.#isClosed = true;
    for (const replica of this.#replicas.values()) replica.stop();
    this.#replicas.clear();
  }

  /** Adds the topic to the candidates for eviction, or removes it. */
  readonly #updateIdle = (topic: LiveTopic): void => {
    const { name } = topic;
    this.#idle.delete(name);
    if (!topic.isFollowed && this.#alive.get(name) === topic) this.#idle.set(name, topic);
  };

  /** Trims the logs of the topics that were looked at longest ago, and forgets those without messages and followers. */
  #sweep(time: number): boolean {
    let looks = Math.min(LOOKS_PER_SWEEP, this.#alive.size);
    for (const [name, topic] of this.#alive) {
      if (looks === 0) break;
      looks -= 1;
      topic.trim(time);
      this.#alive.delete(name);
      // A replica may go while it has messages: the broker keeps them.
      const hasMessages = this.#link === undefined && topic.log.size > 0;
      const isNeeded = topic.isFollowed || hasMessages || time - topic.touchedAt < topic.settings.graceMs;
      if (isNeeded) this.#alive.set(name, topic);
      else this.#forget(topic);
    }
    return this.#alive.size > 0;
  }

  /** Forgets the topic that has been idle longest, with everything in its log; none of those that are wanted. */
  #evictOne(wanted: ReadonlySet<string>): boolean {
    for (let looks = this.#idle.size; looks > 0; looks -= 1) {
      const topic = this.#nextIdle();
      if (topic === undefined || wanted.has(topic.name)) continue;
      this.#forget(topic);
      return true;
    }
    return false;
  }

  #forget(topic: LiveTopic): void {
    this.#idle.delete(topic.name);
    this.#alive.delete(topic.name);
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
    const keeping = this.#keeping(name);
    this.#lives += 1;
    const isReplica = this.#link !== undefined;
    const settings = {
      ...keeping,
      graceMs: isReplica ? REPLICA_GRACE_MS : keeping.bounds.maxAgeMs,
      // A replica gets its epoch from the broker.
      epoch: isReplica ? "" : this.#epoch + this.#lives.toString(36),
      isDense: this.#link?.broker.isDense ?? true,
    };
    return new LiveTopic(name, settings, this.#flusher, this.totals, this.#updateIdle);
  }

  #keeping(name: string): { readonly bounds: LogBounds; readonly overflow: OverflowPolicy } {
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

function unknownTopic(name: string): CometError {
  return new CometError("ERR_TOPIC_UNKNOWN", `There is no topic of the name ${describe(name)}.`);
}

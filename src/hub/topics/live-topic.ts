import { now } from "../../core/clock.ts";
import { added, membersOf, removed, type SmallSet } from "../../core/small-set.ts";
import type { TopicBounds } from "../../log/broker.ts";
import type { Entry, LogBounds, Publication } from "../../log/entry.ts";
import { Log } from "../../log/log.ts";
import type { LogMemory } from "../../log/log-memory.ts";
import type { Start } from "../../log/start.ts";
import type { Wake } from "../../stream/run.ts";
import type { Flushable, Flusher, Follower } from "../flusher.ts";
import type { OverflowPolicy } from "../request-options.ts";
import { FiniteLife, type FiniteSettings } from "./finite-life.ts";
import type { OlderStarts } from "./older-start.ts";

/** The settings of a topic. Topics with the same options share them. */
export interface TopicSettings {
  /** The bounds of the log. */
  readonly bounds: LogBounds;
  /** The bounds to which the broker keeps the topic: those of the log or wider. The log's, if there is no broker. */
  readonly history: TopicBounds;
  /** Set if the topic ends. Nothing of it is too old until `ttlMs` after its end. */
  readonly finite: FiniteSettings | undefined;
  readonly overflow: OverflowPolicy;
  /** The time in milliseconds that a topic stays without followers, once its log is empty or if it is a replica. */
  readonly graceMs: number;
  /** Whether offsets are 1, 2, 3 ..., so that missing messages can be counted. */
  readonly isDense: boolean;
}

/** The parts of a hub that all topics share. */
export interface TopicContext {
  readonly flusher: Flusher;
  readonly memory: LogMemory;
  /** Called when a follower is added or removed, and with the first message. */
  readonly onChange: (topic: LiveTopic) => void;
}

/** The part of a log's bounds after which a publisher's topic is checked for unsent messages. */
const CHECKS_PER_LOG = 8;
/** The time in milliseconds without a byte taken after which nobody waits for a connection. */
const READING_MS = 1000;
/** The longest time in milliseconds that a publisher waits for connections that have fallen behind. */
const PATIENCE_MS = 1000;
/** The period in milliseconds in which a waiting publisher looks again, when there is nothing to flush. */
const LOOK_MS = 5;

/**
 * One topic in this process: its log and its followers. A follower is a group of connections, or a reader: an
 * enumerator, or a request that waits for admission.
 *
 * Invariant: `append` never writes to a connection. A publisher that awaits `paced` keeps the log from passing those who
 * read, and no connection may hold it for longer than a second for each half log.
 */
export class LiveTopic implements Flushable {
  readonly log: Log;
  /** The time at which it was last used or a follower was added or removed, in milliseconds of the hub's clock. */
  touchedAt: number = now();
  isQueued = false;
  /** Whether the hub has removed it. Its readers and connections get nothing more. */
  isForgotten = false;
  #settings: TopicSettings;
  #life: FiniteLife | undefined;
  readonly #context: TopicContext;
  #groups: SmallSet<Follower>;
  #readers: SmallSet<Wake>;
  /** The messages appended since the topic was last checked for unsent ones, and their bytes. */
  #uncheckedEntries = 0;
  #uncheckedBytes = 0;
  /** The index up to which no publisher waits for connections that have fallen behind. */
  #impatientUntil = 0;
  #pacing: Promise<void> | undefined;

  /** @param epoch The epoch of the log's positions; empty where a broker gives it. */
  constructor(name: string, epoch: string, settings: TopicSettings, context: TopicContext) {
    const { bounds, overflow, isDense } = settings;
    this.log = new Log(name, epoch, { bounds, keepNewest: overflow === "latest", isDense, memory: context.memory });
    this.#settings = settings;
    this.#life = settings.finite && new FiniteLife(settings.finite);
    this.#context = context;
  }

  get settings(): TopicSettings {
    return this.#settings;
  }

  /** Its life, if it is a topic that ends. */
  get life(): FiniteLife | undefined {
    return this.#life;
  }

  /** Whether it is a topic that ends, and has not begun. */
  get isAwaited(): boolean {
    return this.#life?.isBegun === false;
  }

  /** The start of readers that do not say where. */
  get defaultStart(): Start {
    return this.#life === undefined ? "newest" : "oldest";
  }

  get name(): string {
    return this.log.topic;
  }

  get isFollowed(): boolean {
    return this.#groups !== undefined || this.#readers !== undefined;
  }

  /** Whether it has ever had a message. Until then it is only a name that somebody has asked for. */
  get isWritten(): boolean {
    return this.log.headOffset > 0;
  }

  /** Whether its end has been appended, or it has expired before this process followed it. */
  get isOver(): boolean {
    return this.log.ended !== undefined || this.isExpired;
  }

  /** Whether it has ended and is no longer kept. */
  get isExpired(): boolean {
    return this.#life?.isExpired(now()) === true;
  }

  /** Makes it a topic that ends. */
  declare(settings: TopicSettings, finite: FiniteSettings): void {
    this.#settings = settings;
    this.#life = new FiniteLife(finite);
    this.log.bound(settings.bounds);
  }

  addGroup(group: Follower): void {
    this.#groups = added(this.#groups, group);
    this.#followersChanged();
  }

  removeGroup(group: Follower): void {
    this.#groups = removed(this.#groups, group);
    this.#followersChanged();
  }

  /**
   * Adds a reader, which keeps the topic alive.
   *
   * @param wake Called when the log has something new, or the hub closes.
   */
  addReader(wake: Wake): void {
    this.#readers = added(this.#readers, wake);
    this.#followersChanged();
  }

  removeReader(wake: Wake): void {
    this.#readers = removed(this.#readers, wake);
    this.#followersChanged();
  }

  wakeReaders(): void {
    for (const wake of [...membersOf(this.#readers)]) wake();
  }

  /**
   * Appends a message to the log, for the next flush.
   *
   * @param offset The broker's offset; the next one by default.
   * @param ageMs The time since publication, in milliseconds.
   */
  append(message: Publication, offset?: number, ageMs = 0): Entry {
    const { flusher, memory, onChange } = this.#context;
    const time = now();
    memory.appended += 1;
    const wasWritten = this.isWritten;
    const entry = this.log.append(message, memory.appended, time, time - ageMs, offset);
    this.#life?.begin();
    if (message.ended !== undefined) this.#life?.end(time - ageMs);
    if (!wasWritten) onChange(this);
    memory.enforce();
    if (!this.isFollowed) return entry;
    flusher.touch(this);
    this.#uncheckedEntries += 1;
    this.#uncheckedBytes += message.bytes;
    return entry;
  }

  /**
   * Waits while half of the log is unsent to connections that read. Called by a publisher after it has appended.
   *
   * A publisher waits for the flush however long that takes, but for connections that have fallen behind for 1 s at
   * most, and then not again until another half log is published. Nobody waits for a connection that took nothing for
   * 1 s.
   *
   * @returns `undefined` where there is nothing to wait for.
   */
  paced(): Promise<void> | undefined {
    if (this.#pacing !== undefined) return this.#pacing;
    const { maxEntries, maxBytes } = this.#settings.bounds;
    const isDue =
      this.#uncheckedEntries >= maxEntries / CHECKS_PER_LOG || this.#uncheckedBytes >= maxBytes / CHECKS_PER_LOG;
    if (!isDue) return undefined;
    this.#uncheckedEntries = this.#uncheckedBytes = 0;
    if (!this.#isHalfUnsent(true)) return undefined;
    this.#pacing = this.#pace();
    return this.#pacing;
  }

  /** Sends what the next flush would, to the members of all groups, because the log is about to lose it. */
  sendUnsent(): void {
    if (this.log.size === 0) return;
    for (const group of membersOf(this.#groups)) if (group.sent(this.log) < this.log.head) group.flushNow();
  }

  /** Starts the log anew after an offset, which is a gap for its followers: see `Log.restart`, also for the parameters. */
  restart(epoch: string, offset: number, begunAfter?: number): void {
    this.sendUnsent();
    const wasWritten = this.isWritten;
    this.log.restart(epoch, offset, now(), begunAfter);
    if (!wasWritten) this.#context.onChange(this);
    this.#context.flusher.touch(this);
  }

  /** Notifies the followers of new messages. Groups are enqueued in the flusher; readers wake at once. */
  flush(): boolean {
    for (const group of membersOf(this.#groups)) this.#context.flusher.enqueue(group);
    this.wakeReaders();
    return true;
  }

  async #pace(): Promise<void> {
    const { flusher } = this.#context;
    const end = now() + PATIENCE_MS;
    let isPatient = true;
    do {
      await (flusher.isIdle ? new Promise((resolve) => setTimeout(resolve, LOOK_MS)) : flusher.turn());
      if (isPatient && now() > end) {
        isPatient = false;
        this.#impatientUntil = this.log.head + Math.ceil(this.log.size / 2);
      }
    } while (this.#isHalfUnsent(isPatient));
    this.#pacing = undefined;
  }

  /** @param isPatient Whether connections that have fallen behind count. */
  #isHalfUnsent(isPatient: boolean): boolean {
    const { log } = this;
    const { maxEntries, maxBytes } = this.#settings.bounds;
    const counts = isPatient && log.head >= this.#impatientUntil;
    const since = now() - READING_MS;
    let sent = log.head;
    for (const group of membersOf(this.#groups)) {
      sent = Math.min(sent, group.sent(log), counts ? group.reached(log, since) : Infinity);
    }
    return log.head - sent >= maxEntries / 2 || log.bytesAfter(sent) >= maxBytes / 2;
  }

  #followersChanged(): void {
    this.touchedAt = now();
    this.#context.onChange(this);
  }
}

/** Topics that are kept alive until `release` is called, once. */
export interface HeldTopics {
  readonly topics: readonly LiveTopic[];
  /** The reader's starts among older messages, for the topics whose logs it is behind. */
  readonly starts: OlderStarts;
  readonly release: () => void;
}

import { now } from "../../core/clock.ts";
import type { Entry, LogBounds, Publication } from "../../log/entry.ts";
import { Log } from "../../log/log.ts";
import type { Wake } from "../../stream/run.ts";
import type { Flushable, Flusher } from "../flusher.ts";
import type { OverflowPolicy } from "../subscription.ts";

/** Totals over all topics of one hub. */
export class TopicTotals {
  /** The messages in all logs, as of their last trim, and their bytes of JSON. */
  entries = 0;
  bytes = 0;
  /** The number of messages ever appended to a log here. It orders messages over all topics. */
  appended = 0;
}

/** The settings of one topic. */
export interface TopicSettings {
  readonly bounds: LogBounds;
  readonly overflow: OverflowPolicy;
  /** The time in milliseconds that a topic stays without followers, once its log is empty or if it is a replica. */
  readonly graceMs: number;
  /** The epoch of the log's positions; empty where a broker gives it. */
  readonly epoch: string;
  /** Whether offsets are 1, 2, 3 ..., so that missing messages can be counted. */
  readonly isDense: boolean;
}

/**
 * One topic in this process: its log and its followers. A follower is a group of connections, or a reader: an
 * enumerator, or a request that waits for admission.
 *
 * Invariant: all changes of the log go through this class, and nowhere else. So the hub's totals, the count of unsent
 * messages and the flush stay right, and the bounds of entries and bytes drop no message before a flush has offered it
 * to the groups.
 */
export class LiveTopic implements Flushable {
  readonly log: Log;
  readonly settings: TopicSettings;
  /** The time at which it was last used or a follower was added or removed, in milliseconds of the hub's clock. */
  touchedAt: number = now();
  isQueued = false;
  readonly #flusher: Flusher;
  readonly #totals: TopicTotals;
  readonly #onFollowersChange: (topic: LiveTopic) => void;
  readonly #groups = new Set<Flushable>();
  readonly #readers = new Set<Wake>();
  /** The messages appended since the last flush, and their bytes. */
  #pendingEntries = 0;
  #pendingBytes = 0;

  /** @param onFollowersChange Called when a follower is added or removed. */
  constructor(
    name: string,
    settings: TopicSettings,
    flusher: Flusher,
    totals: TopicTotals,
    onFollowersChange: (topic: LiveTopic) => void,
  ) {
    const { bounds, overflow, epoch, isDense } = settings;
    this.log = new Log(name, epoch, { bounds, keepNewest: overflow === "latest", isDense });
    this.settings = settings;
    this.#flusher = flusher;
    this.#totals = totals;
    this.#onFollowersChange = onFollowersChange;
  }

  get name(): string {
    return this.log.topic;
  }

  get isFollowed(): boolean {
    return this.#groups.size > 0 || this.#readers.size > 0;
  }

  /** Whether half of the log's bounds waits to be flushed. */
  get isHalfUnsent(): boolean {
    const { maxEntries, maxBytes } = this.settings.bounds;
    return this.#pendingEntries >= maxEntries / 2 || this.#pendingBytes >= maxBytes / 2;
  }

  addGroup(group: Flushable): void {
    this.#groups.add(group);
    this.#onFollowersChange(this);
  }

  removeGroup(group: Flushable): void {
    this.#groups.delete(group);
    this.#followerLeft();
  }

  /**
   * Adds a reader, which keeps the topic alive.
   *
   * @param wake Called when the log has something new, or the hub closes.
   */
  addReader(wake: Wake): void {
    this.#readers.add(wake);
    this.touchedAt = now();
    this.#onFollowersChange(this);
  }

  removeReader(wake: Wake): void {
    this.#readers.delete(wake);
    this.#followerLeft();
  }

  wakeReaders(): void {
    for (const wake of [...this.#readers]) wake();
  }

  /**
   * Appends a message to the log, for the next flush.
   *
   * @param offset The broker's offset; the next one by default.
   * @param ageMs The time since publication, in milliseconds.
   */
  append(message: Publication, offset?: number, ageMs = 0): Entry {
    const { maxEntries, maxBytes } = this.settings.bounds;
    // Without this flush the log would drop messages that no subscriber has been sent yet.
    const isFull = this.#pendingEntries >= maxEntries || this.#pendingBytes + message.bytes > maxBytes;
    if (this.#pendingEntries > 0 && isFull) this.flushNow();
    const time = now();
    this.#totals.appended += 1;
    const entry = this.#change(() => this.log.append(message, this.#totals.appended, time, time - ageMs, offset));
    if (!this.isFollowed) return entry;
    this.#flusher.touch(this);
    this.#pendingEntries += 1;
    this.#pendingBytes += message.bytes;
    return entry;
  }

  /** Starts the log anew after an offset, which is a gap for its followers: see `Log.restart`. */
  restart(epoch: string, offset: number): void {
    if (this.#pendingEntries > 0) this.flushNow();
    this.#change(() => this.log.restart(epoch, offset));
    this.#flusher.touch(this);
  }

  /** Drops the messages that exceed the log's bounds at this time. */
  trim(time: number = now()): void {
    this.#change(() => this.log.trim(time));
  }

  /** Drops all messages of the log. */
  clear(): void {
    this.#change(() => this.log.clear());
  }

  /** Notifies the followers of new messages. Groups are enqueued in the flusher; readers wake at once. */
  flush(): boolean {
    this.#pendingEntries = this.#pendingBytes = 0;
    for (const group of this.#groups) this.#flusher.enqueue(group);
    this.wakeReaders();
    return true;
  }

  /** Sends everything published so far to all groups, without a time limit. */
  flushNow(): void {
    this.flush();
    for (const group of this.#groups) group.flush(Infinity);
  }

  #followerLeft(): void {
    this.touchedAt = now();
    this.#onFollowersChange(this);
  }

  #change<Result>(change: () => Result): Result {
    const { log } = this;
    this.#totals.entries -= log.size;
    this.#totals.bytes -= log.bytes;
    const result = change();
    this.#totals.entries += log.size;
    this.#totals.bytes += log.bytes;
    return result;
  }
}

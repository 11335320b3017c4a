import { now } from "../../core/clock.ts";
import type { Entry, LogBounds, Publication } from "../../log/entry.ts";
import { Log } from "../../log/log.ts";
import type { Wake } from "../../stream/run.ts";
import type { Flushable, Flusher } from "../flusher.ts";
import type { OverflowPolicy } from "../subscription.ts";

/** Figures that the topics of one hub have in common. */
export class TopicTotals {
  /** Messages in all logs, as far as they have been trimmed, and their bytes of JSON. */
  entries = 0;
  bytes = 0;
  /** Messages that were ever added to a log here: the order of messages over all topics. */
  appended = 0;
}

/** How a topic is kept. */
export interface TopicSettings {
  readonly bounds: LogBounds;
  readonly overflow: OverflowPolicy;
  /** For how many milliseconds a topic stays when it has no follower and its log is empty, or is a replica. */
  readonly graceMs: number;
  /** What the log's positions begin with: empty where a broker gives the epoch. */
  readonly epoch: string;
  /** Whether offsets are 1, 2, 3 ..., so that missing messages can be counted. */
  readonly isDense: boolean;
}

/**
 * One topic in this process: its log, and its followers. A follower is a group of connections, or a reader: an enumerator, or a request
 * that waits to be admitted. Messages enter the log here and nowhere else, so that totals, the backlog and the flush stay right.
 */
export class LiveTopic implements Flushable {
  readonly log: Log;
  readonly settings: TopicSettings;
  /** When the topic was last published to or followed, in milliseconds of the hub's clock. */
  touchedAt: number = now();
  isQueued = false;
  readonly #flusher: Flusher;
  readonly #totals: TopicTotals;
  readonly #onFollowersChange: (topic: LiveTopic) => void;
  readonly #groups = new Set<Flushable>();
  readonly #readers = new Set<Wake>();
  /** Published since the last flush: messages, and their bytes. */
  #pendingEntries = 0;
  #pendingBytes = 0;

  /** @param onFollowersChange Called when a follower comes or goes. */
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

  /** Whether half of what the log may hold waits to be flushed. */
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

  /** @param wake Called when the log has something new, or the hub closes. */
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
   * Adds a message to the log, for the next flush.
   *
   * @param offset The broker's offset; the next one by default.
   * @param ageMs How long ago it was published.
   */
  append(message: Publication, offset?: number, ageMs = 0): Entry {
    const { maxEntries, maxBytes } = this.settings.bounds;
    // Otherwise the log would drop messages that no subscriber has been sent yet.
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

  /** Begins the log anew after an offset, which is a gap to its followers: see `Log.restart`. */
  restart(epoch: string, offset: number): void {
    if (this.#pendingEntries > 0) this.flushNow();
    this.#change(() => this.log.restart(epoch, offset));
    this.#flusher.touch(this);
  }

  /** Drops what the log's bounds have no room for at this time. */
  trim(time: number = now()): void {
    this.#change(() => this.log.trim(time));
  }

  /** Drops everything that the log holds. */
  clear(): void {
    this.#change(() => this.log.clear());
  }

  /** Passes the news on to the followers: groups get their turn after this, readers are woken at once. */
  flush(): boolean {
    this.#pendingEntries = this.#pendingBytes = 0;
    for (const group of this.#groups) this.#flusher.enqueue(group);
    this.wakeReaders();
    return true;
  }

  /** Sends everything that was published to all followers, now. */
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

/** The memory of a log with messages, its topic and its place in the hub's lists, besides the messages, in bytes. */
export const LOG_OVERHEAD = 650;

/** A log, as its memory sees it. */
export interface MeteredLog {
  /** The time of publication of its oldest message, in milliseconds of the hub's clock; `undefined` if it is empty. */
  readonly oldestAt: number | undefined;
  /** Drops its oldest message. */
  dropOldest(): void;
}

/** A tape, as its memory sees it. */
export interface MeteredTape {
  /** The memory that it takes, in bytes. */
  readonly held: number;
  /** Removes it from its log. */
  drop(): void;
}

/** A log among those that have messages. */
export interface RankedLog {
  readonly log: MeteredLog;
  /** The time of its oldest message when it was last compared. Messages leave, so it may be earlier. */
  at: number;
  /** Its place in the heap. */
  index: number;
}

/**
 * The memory of all logs of a hub: it counts what they hold, and frees what exceeds its bound.
 *
 * Tapes go first, since they can be encoded again: the tape that was read longest ago, first. Then messages go, in the
 * order of their publication. So neither a tape nor a reader's request ever drops a message: keep it so.
 *
 * Invariant: each log reports every change of what it holds, and is ranked for exactly as long as it has messages, or the
 * memory would keep logs that their topics have forgotten.
 */
export class LogMemory {
  /** The number of messages in all logs. */
  entries = 0;
  /** The number of messages ever appended to a log. It orders messages over all topics. */
  appended = 0;
  readonly #maxBytes: number;
  readonly #evict: (log: MeteredLog) => void;
  #messageBytes = 0;
  #tapeBytes = 0;
  /** In the order of their last use. */
  readonly #tapes = new Set<MeteredTape>();
  #lastTape: MeteredTape | undefined;
  /** The next tape to drop: a set that repeatedly loses its first members is slow to iterate from the start. */
  #oldestTapes: Iterator<MeteredTape, undefined> | undefined;
  /** A binary heap: the log with the oldest message comes first. */
  readonly #heap: RankedLog[] = [];

  /**
   * @param maxBytes The most memory that logs may hold, in bytes.
   * @param evict Frees memory of the log with the oldest message; by default its oldest message.
   */
  constructor(maxBytes: number, evict: (log: MeteredLog) => void = (log) => log.dropOldest()) {
    this.#maxBytes = maxBytes;
    this.#evict = evict;
  }

  /** The memory that messages and tapes hold, in bytes. */
  get bytes(): number {
    return this.#messageBytes + this.#tapeBytes;
  }

  /** Counts messages that a log has gained or, if the numbers are negative, lost. */
  changed(entries: number, bytes: number): void {
    this.entries += entries;
    this.#messageBytes += bytes;
  }

  /** Ranks a log that has its first message. Returns what {@link emptied} needs. */
  filled(log: MeteredLog): RankedLog {
    const ranked = { log, at: log.oldestAt ?? 0, index: this.#heap.length };
    this.#messageBytes += LOG_OVERHEAD;
    this.#heap.push(ranked);
    this.#siftUp(ranked.index);
    return ranked;
  }

  /** Removes a log that has lost its last message. */
  emptied({ index }: RankedLog): void {
    this.#messageBytes -= LOG_OVERHEAD;
    this.#swap(index, this.#heap.length - 1);
    this.#heap.pop();
    if (index === this.#heap.length) return;
    this.#siftUp(index);
    this.#siftDown(index);
  }

  /** Returns whether it holds more than its bound and a part of it. */
  isOver(part = 0): boolean {
    return this.bytes > this.#maxBytes * (1 + part);
  }

  /** Notes that a tape has been read, and how much its memory has changed, in bytes. */
  tapeUsed(tape: MeteredTape, change: number): void {
    if (tape !== this.#lastTape) {
      this.#tapes.delete(tape);
      this.#tapes.add(tape);
      this.#lastTape = tape;
    }
    this.#tapeBytes += change;
    if (change > 0 && this.isOver()) this.#freeTapes();
  }

  /** Notes that a tape has become smaller. */
  tapeTrimmed(change: number): void {
    this.#tapeBytes += change;
  }

  /** Notes that a tape has been dropped. */
  tapeDropped(tape: MeteredTape): void {
    if (tape === this.#lastTape) this.#lastTape = undefined;
    if (this.#tapes.delete(tape)) this.#tapeBytes -= tape.held;
  }

  /** Frees what exceeds the bound. The newest message of the hub stays, however large it is. */
  enforce(): void {
    if (!this.isOver()) return;
    this.#freeTapes();
    while (this.isOver() && this.entries > 1) {
      const log = this.#oldest();
      if (log === undefined) return;
      this.#evict(log);
    }
  }

  #freeTapes(): void {
    while (this.isOver() && this.#tapes.size > 0) this.#oldestTape()?.drop();
  }

  /** Returns the tape that was read longest ago; `undefined` where the iterator has to begin anew. */
  #oldestTape(): MeteredTape | undefined {
    this.#oldestTapes ??= this.#tapes.values();
    const { value } = this.#oldestTapes.next();
    if (value === undefined) this.#oldestTapes = undefined;
    return value;
  }

  /** Returns the log with the oldest message. */
  #oldest(): MeteredLog | undefined {
    for (;;) {
      const [first] = this.#heap;
      if (first === undefined) return undefined;
      const at = first.log.oldestAt ?? first.at;
      if (at === first.at) return first.log;
      first.at = at;
      this.#siftDown(0);
    }
  }

  #siftUp(from: number): void {
    for (let i = from; i > 0;) {
      const parent = (i - 1) >> 1;
      if (this.#at(parent) <= this.#at(i)) return;
      this.#swap(i, parent);
      i = parent;
    }
  }

  #siftDown(from: number): void {
    for (let i = from; ;) {
      let least = i;
      for (const child of [2 * i + 1, 2 * i + 2]) {
        if (child < this.#heap.length && this.#at(child) < this.#at(least)) least = child;
      }
      if (least === i) return;
      this.#swap(i, least);
      i = least;
    }
  }

  #at(i: number): number {
    return (this.#heap[i] as RankedLog).at;
  }

  #swap(i: number, j: number): void {
    const one = this.#heap[i] as RankedLog;
    const other = this.#heap[j] as RankedLog;
    this.#heap[i] = other;
    this.#heap[j] = one;
    other.index = i;
    one.index = j;
  }
}

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

/** A log in the heap, and the time of its oldest message when it was last compared. Messages leave, so it may be earlier. */
interface Ranked {
  readonly log: MeteredLog;
  at: number;
}

/**
 * The memory of all logs of a hub: it counts what they hold, and frees what exceeds its bound.
 *
 * Tapes go first, since they can be encoded again: the tape that was read longest ago, first. Then messages go, in the
 * order of their publication. So neither a tape nor a reader's request ever drops a message: keep it so.
 *
 * Invariant: each log reports every change of what it holds, and is ranked for as long as it has messages.
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
  /** A binary heap: the log with the oldest message comes first. */
  #heap: Ranked[] = [];
  /** The number of logs that have messages. */
  #filledLogs = 0;

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

  /** Ranks a log that has its first message. */
  filled(log: MeteredLog): void {
    this.#filledLogs += 1;
    this.#messageBytes += LOG_OVERHEAD;
    // Logs that were emptied stay until they come first, or are too many.
    if (this.#heap.length > 64 + 2 * this.#filledLogs) {
      this.#heap = this.#heap.filter((ranked) => ranked.log !== log && ranked.log.oldestAt !== undefined);
      this.#heap.sort((a, b) => a.at - b.at);
    }
    this.#heap.push({ log, at: log.oldestAt ?? 0 });
    this.#siftUp(this.#heap.length - 1);
  }

  /** Notes that a log has lost its last message. */
  emptied(): void {
    this.#filledLogs -= 1;
    this.#messageBytes -= LOG_OVERHEAD;
  }

  /** Notes that a tape has been read, and how much its memory has changed, in bytes. */
  tapeUsed(tape: MeteredTape, change: number): void {
    this.#tapes.delete(tape);
    this.#tapes.add(tape);
    this.#tapeBytes += change;
    if (change > 0) this.#freeTapes();
  }

  /** Notes that a tape has become smaller. */
  tapeTrimmed(change: number): void {
    this.#tapeBytes += change;
  }

  /** Notes that a tape has been dropped. */
  tapeDropped(tape: MeteredTape): void {
    if (this.#tapes.delete(tape)) this.#tapeBytes -= tape.held;
  }

  /** Frees what exceeds the bound. The newest message of the hub stays, however large it is. */
  enforce(): void {
    if (this.bytes <= this.#maxBytes) return;
    this.#freeTapes();
    while (this.bytes > this.#maxBytes && this.entries > 1) {
      const log = this.#oldest();
      if (log === undefined) return;
      this.#evict(log);
    }
  }

  #freeTapes(): void {
    for (const tape of this.#tapes) {
      if (this.bytes <= this.#maxBytes) return;
      tape.drop();
    }
  }

  /** Returns the log with the oldest message. */
  #oldest(): MeteredLog | undefined {
    for (;;) {
      const [first] = this.#heap;
      if (first === undefined) return undefined;
      const at = first.log.oldestAt;
      if (at === first.at) return first.log;
      if (at === undefined) {
        const last = this.#heap.pop() as Ranked;
        if (last !== first) this.#heap[0] = last;
      } else first.at = at;
      this.#siftDown();
    }
  }

  #siftUp(from: number): void {
    const heap = this.#heap;
    let i = from;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      if ((heap[parent] as Ranked).at <= (heap[i] as Ranked).at) return;
      this.#swap(i, parent);
      i = parent;
    }
  }

  #siftDown(): void {
    const heap = this.#heap;
    let i = 0;
    for (;;) {
      let least = i;
      for (const child of [2 * i + 1, 2 * i + 2]) {
        if (child < heap.length && (heap[child] as Ranked).at < (heap[least] as Ranked).at) least = child;
      }
      if (least === i) return;
      this.#swap(i, least);
      i = least;
    }
  }

  #swap(i: number, j: number): void {
    const heap = this.#heap;
    const one = heap[i] as Ranked;
    heap[i] = heap[j] as Ranked;
    heap[j] = one;
  }
}

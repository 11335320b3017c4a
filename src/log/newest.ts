import type { Entry, LogBounds } from "./entry.ts";

/**
 * The newest message of each key, held beyond the log's entries and bytes, so that a reader who needs no other finds it.
 * What is held beyond is bounded by the same figures again, and by the same age.
 */
export class Newest {
  readonly #bounds: LogBounds;
  /** In the order of their indexes: those that have left the log's ring come first. */
  readonly #byKey = new Map<string, Entry>();
  #floor = 0;
  #beyond = 0;
  #bytes = 0;

  constructor(bounds: LogBounds) {
    this.#bounds = bounds;
  }

  add(entry: Entry, key: string): void {
    const older = this.#byKey.get(key);
    if (older !== undefined) this.#remove(key, older);
    this.#byKey.set(key, entry);
  }

  /** A message has left the ring. */
  left(entry: Entry): void {
    this.#floor = entry.index;
    if (entry.key === undefined || this.#byKey.get(entry.key) !== entry) return;
    this.#beyond += 1;
    this.#bytes += entry.bytes;
  }

  trim(now: number): void {
    const { maxEntries, maxBytes, maxAgeMs } = this.#bounds;
    for (const [key, entry] of this.#byKey) {
      if (this.#beyond === 0) return;
      if (this.#beyond <= maxEntries && this.#bytes <= maxBytes && now - entry.at <= maxAgeMs) return;
      this.#remove(key, entry);
    }
  }

  /** Those that have left the ring, of those after an index, oldest first. */
  after(index: number): Entry[] {
    const entries: Entry[] = [];
    for (const entry of this.#byKey.values()) {
      if (entry.index > this.#floor) break;
      if (entry.index > index) entries.push(entry);
    }
    return entries;
  }

  #remove(key: string, entry: Entry): void {
    this.#byKey.delete(key);
    if (entry.index > this.#floor) return;
    this.#beyond -= 1;
    this.#bytes -= entry.bytes;
  }
}

import type { Entry, LogBounds } from "./entry.ts";

/**
 * The newest message of each key, kept when it leaves the log's ring, so that a subscriber of policy `latest` finds it.
 *
 * The messages kept beyond the ring have the same bounds of entries and bytes again, and the same age.
 *
 * Invariant: the map is in the order of indexes, so entries that have left the ring come first. `add`, `leave` and
 * `trim` rely on it.
 */
export class Newest {
  /** In the order of indexes: entries that have left the ring come first. */
  readonly #byKey = new Map<string, Entry>();
  #floor = 0;
  /** The entries that have left the ring: their number, their data's size and their memory in bytes. */
  #beyond = 0;
  #bytes = 0;
  #held = 0;

  /** The number of messages that have left the ring, and the memory that they take, in bytes. */
  get beyond(): number {
    return this.#beyond;
  }

  get held(): number {
    return this.#held;
  }

  /** The oldest message that has left the ring. */
  get oldestBeyond(): Entry | undefined {
    return this.#beyond === 0 ? undefined : this.#byKey.values().next().value;
  }

  /** Returns the newest message of a key. */
  of(key: string): Entry | undefined {
    return this.#byKey.get(key);
  }

  add(entry: Entry, key: string): void {
    const older = this.#byKey.get(key);
    if (older !== undefined) this.#remove(key, older);
    this.#byKey.set(key, entry);
  }

  /** Removes a message, if it is the newest of its key. */
  remove(entry: Entry): void {
    if (entry.key !== undefined && this.#byKey.get(entry.key) === entry) this.#remove(entry.key, entry);
  }

  /** Notes that a message has left the ring. The log calls it for every message, oldest first. */
  leave(entry: Entry): void {
    this.#floor = entry.index;
    if (entry.key === undefined || this.#byKey.get(entry.key) !== entry) return;
    this.#beyond += 1;
    this.#bytes += entry.bytes;
    this.#held += entry.held;
  }

  trim({ maxEntries, maxBytes, maxAgeMs }: LogBounds, now: number): void {
    for (const [key, entry] of this.#byKey) {
      if (this.#beyond === 0) return;
      if (this.#beyond <= maxEntries && this.#bytes <= maxBytes && now - entry.at <= maxAgeMs) return;
      this.#remove(key, entry);
    }
  }

  /** Returns the messages after an index that have left the ring, oldest first. */
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
    this.#held -= entry.held;
  }
}

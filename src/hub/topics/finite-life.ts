import { added, membersOf, removed, type SmallSet } from "../../core/small-set.ts";

/** The settings of a topic that ends. Times are in milliseconds. */
export interface FiniteSettings {
  /** The time that its log is kept after its end. */
  readonly ttlMs: number;
  /** The time that a reader waits for it to begin. */
  readonly startTimeoutMs: number;
}

/**
 * The life of a topic that ends: readers wait for it to begin, and some time after its end it expires.
 *
 * Times are in milliseconds of the hub's clock.
 */
export class FiniteLife {
  readonly settings: FiniteSettings;
  #isBegun = false;
  #endedAt = Infinity;
  #onBegin: SmallSet<() => void>;

  constructor(settings: FiniteSettings) {
    this.settings = settings;
  }

  /** Whether its publisher has begun. */
  get isBegun(): boolean {
    return this.#isBegun;
  }

  begin(): void {
    if (this.#isBegun) return;
    this.#isBegun = true;
    for (const notify of [...membersOf(this.#onBegin)]) notify();
    this.#onBegin = undefined;
  }

  /** Calls `notify` when its publisher begins. Returns a function that withdraws it. */
  whenBegun(notify: () => void): () => void {
    this.#onBegin = added(this.#onBegin, notify);
    return () => (this.#onBegin = removed(this.#onBegin, notify));
  }

  /** Notes its end. @param time The time of the end; -Infinity if it has expired already. */
  end(time: number): void {
    this.#endedAt = time;
  }

  /** Whether its log has been kept long enough after its end. */
  isExpired(time: number): boolean {
    return time - this.#endedAt > this.settings.ttlMs;
  }
}

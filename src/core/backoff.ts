/** The bounds of a {@link Backoff}, in milliseconds. */
export interface BackoffOptions {
  /** The longest delay before the first attempt; it doubles with each further one. */
  readonly firstMs: number;
  /** The longest delay before any attempt. */
  readonly maxMs: number;
}

/**
 * Delays between attempts that fail: exponential, with full jitter, so that many who lost the same server do not all return to it at
 * the same moment. Every delay is random between 0 and its bound.
 */
export class Backoff {
  readonly #firstMs: number;
  readonly #maxMs: number;
  #failures = 0;

  constructor({ firstMs, maxMs }: BackoffOptions) {
    this.#firstMs = firstMs;
    this.#maxMs = maxMs;
  }

  /** Counts one more failure, and returns the delay before the next attempt, in milliseconds. */
  next(): number {
    const longest = Math.min(this.#maxMs, this.#firstMs * 2 ** this.#failures);
    this.#failures += 1;
    return Math.random() * longest;
  }

  /** An attempt succeeded: the next delay is a short one again. */
  reset(): void {
    this.#failures = 0;
  }
}

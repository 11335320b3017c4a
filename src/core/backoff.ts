/** The bounds of a {@link Backoff}, in milliseconds. */
export interface BackoffOptions {
  /** The longest delay before the first attempt; it doubles with each further one. */
  readonly firstMs: number;
  /** The longest delay before any attempt. */
  readonly maxMs: number;
}

/**
 * Delays between failed attempts: exponential backoff with full jitter. Every delay is random between 0 and its bound,
 * so that clients of the same server do not all reconnect to it at the same moment.
 */
export class Backoff {
  readonly #firstMs: number;
  readonly #maxMs: number;
  #failures = 0;

  constructor({ firstMs, maxMs }: BackoffOptions) {
    this.#firstMs = firstMs;
    this.#maxMs = maxMs;
  }

  /** Counts a failure. @returns The delay before the next attempt, in milliseconds. */
  next(): number {
    const longest = Math.min(this.#maxMs, this.#firstMs * 2 ** this.#failures);
    this.#failures += 1;
    return Math.random() * longest;
  }

  /** Resets the failures after an attempt has succeeded. */
  reset(): void {
    this.#failures = 0;
  }
}

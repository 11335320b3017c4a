/** The bounds of a {@link Backoff}, in milliseconds. */
export interface BackoffOptions {
  /** The upper bound of the first delay. It doubles with each further failure. */
  readonly firstMs: number;
  /** The upper bound of all delays. */
  readonly maxMs: number;
}

/**
 * Returns the delay before the next attempt in milliseconds, which need not be whole: exponential backoff with full
 * jitter. It is random between 0 and a bound that doubles with each failure, so that clients of the same server do not
 * all reconnect at one moment.
 *
 * @param failures The number of failures since the last success.
 */
export function backoffDelay(failures: number, firstMs: number, maxMs: number): number {
  return Math.random() * Math.min(maxMs, firstMs * 2 ** failures);
}

/**
 * The delays before the next attempt of something that fails: see {@link backoffDelay}. Each series of attempts has a
 * `Backoff` of its own. It has no timer: the caller waits.
 */
export class Backoff {
  readonly #firstMs: number;
  readonly #maxMs: number;
  /** The number of failures since the last success. */
  failures = 0;

  constructor({ firstMs, maxMs }: BackoffOptions) {
    this.#firstMs = firstMs;
    this.#maxMs = maxMs;
  }

  /** Counts a failure, and returns the delay before the next attempt in milliseconds. It need not be whole. */
  next(): number {
    return backoffDelay(this.failures++, this.#firstMs, this.#maxMs);
  }

  /** Forgets the failures, after an attempt that succeeded: the next delay is at most `firstMs` again. */
  reset(): void {
    this.failures = 0;
  }
}

import { MAX_TIMER_MS, assertInteger } from "../../core/options.ts";
import { Enumerator } from "../enumerator.ts";
import { WAIT, type Run, type Step, type Wake } from "../run.ts";

/**
 * Creates a clock: 0 after the first `periodMs` milliseconds, 1 after the second, and so on without end. A late reader
 * gets only the newest number, so nothing is queued; the skipped numbers show how much it missed. Each run has one
 * timer, from its start until the reader stops.
 *
 * @param periodMs Milliseconds between two elements, a whole number from 1 to 2,147,483,647.
 * @throws {CometError} `ERR_OPTION` if `periodMs` is out of its range.
 */
export function interval(periodMs: number): Enumerator<number> {
  assertInteger("The period of interval", periodMs, 1, MAX_TIMER_MS);
  return new Enumerator((wake) => new IntervalRun(periodMs, wake));
}

class IntervalRun implements Run<number> {
  readonly #timer: ReturnType<typeof setInterval>;
  #ticks = 0;
  #taken = 0;

  constructor(periodMs: number, wake: Wake) {
    this.#timer = setInterval(() => {
      this.#ticks += 1;
      wake();
    }, periodMs);
  }

  poll(): Step<number> {
    if (this.#taken === this.#ticks) return WAIT;
    this.#taken = this.#ticks;
    return this.#ticks - 1;
  }

  close(): void {
    clearInterval(this.#timer);
  }
}

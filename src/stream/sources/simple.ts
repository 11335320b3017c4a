import { assertFunction, MAX_TIMER_MS, assertInteger } from "../../core/options.ts";
import { Enumerator } from "../enumerator.ts";
import { END, WAIT, type Run, type Step, type Wake } from "../run.ts";
import { asking } from "./asking.ts";

/** A source that ends at once. */
export function empty<E = never>(): Enumerator<E> {
  return new Enumerator<E>(() => new PollRun(() => END), { atHand: true });
}

/** A source that never gives anything and never ends; its reader can only leave. */
export function never<E = never>(): Enumerator<E> {
  return new Enumerator<E>(() => new PollRun(() => WAIT));
}

/** A source that fails at once, with this error. */
export function fail<E = never>(error: unknown): Enumerator<E> {
  return new Enumerator<E>(
    () =>
      new PollRun(() => {
        throw error;
      }),
  );
}

/**
 * What `make` gives, again and again, without end: called once for each element that is wanted.
 *
 * @throws {CometError} `ERR_OPTION` if `make` is not a function. What it throws reaches the reader.
 */
export function repeat<E>(make: () => E): Enumerator<E> {
  assertFunction("The function of repeat", make);
  return new Enumerator(() => new PollRun(make));
}

/**
 * What the promises of `make` give, again and again, without end: one at a time, when it is wanted. The `AbortSignal` fires
 * when the reader stops.
 *
 * @throws {CometError} `ERR_OPTION` if `make` is not a function. What it throws or rejects with reaches the reader.
 */
export function repeatAsync<E>(make: (signal: AbortSignal) => PromiseLike<E>): Enumerator<E> {
  assertFunction("The function of repeatAsync", make);
  return asking(() => ({ ask: make, read: (value) => value }));
}

/**
 * {@link repeatAsync} until `make` gives `undefined`, which ends the source.
 *
 * @throws {CometError} `ERR_OPTION` if `make` is not a function. What it throws or rejects with reaches the reader.
 */
export function generateAsync<E>(make: (signal: AbortSignal) => PromiseLike<E | undefined>): Enumerator<E> {
  assertFunction("The function of generateAsync", make);
  return asking(() => ({ ask: make, read: (value) => (value === undefined ? END : value) }));
}

/**
 * A source that gives 0 after `delayMs` milliseconds and ends. The delay begins with the run; it has no timer before.
 *
 * @param delayMs A whole number from 0 to 2,147,483,647.
 * @throws {CometError} `ERR_OPTION` if `delayMs` is out of its range.
 */
export function timer(delayMs: number): Enumerator<number> {
  assertInteger("The delay of timer", delayMs, 0, MAX_TIMER_MS);
  return new Enumerator((wake) => new TimerRun(delayMs, wake));
}

/** A run that is nothing but its poll. */
class PollRun<E> implements Run<E> {
  readonly poll: () => Step<E>;

  constructor(poll: () => Step<E>) {
    this.poll = poll;
  }

  close(): void {
    // There is nothing to let go of.
  }
}

class TimerRun implements Run<number> {
  readonly #timer: ReturnType<typeof setTimeout>;
  #state: typeof WAIT | 0 | typeof END = WAIT;

  constructor(delayMs: number, wake: Wake) {
    this.#timer = setTimeout(() => {
      this.#state = 0;
      wake();
    }, delayMs);
  }

  poll(): Step<number> {
    const step = this.#state;
    if (step === 0) this.#state = END;
    return step;
  }

  close(): void {
    clearTimeout(this.#timer);
  }
}

import { assertFunction, MAX_TIMER_MS, assertInteger } from "../../core/options.ts";
import { Enumerator } from "../enumerator.ts";
import { END, WAIT, type Run, type Step, type Wake } from "../run.ts";
import { asking } from "./asking-source.ts";

/** Creates a source that ends at once. */
export function empty<E = never>(): Enumerator<E> {
  return new Enumerator<E>(() => new PollRun(() => END), { atHand: true });
}

/** Creates a source that never emits and never ends; its reader can only stop. */
export function never<E = never>(): Enumerator<E> {
  return new Enumerator<E>(() => new PollRun(() => WAIT));
}

/** Creates a source that fails at once, with this error. */
export function fail<E = never>(error: unknown): Enumerator<E> {
  return new Enumerator<E>(
    () =>
      new PollRun(() => {
        throw error;
      }),
  );
}

/**
 * Creates an endless source of the results of `make`, called once for each element, on demand.
 *
 * @throws {CometError} `ERR_OPTION` if `make` is not a function. Its errors reach the reader.
 */
export function repeat<E>(make: () => E): Enumerator<E> {
  assertFunction("The function of repeat", make);
  return new Enumerator(() => new PollRun(make));
}

/**
 * Creates an endless source of the results of `make`, an asynchronous function: one at a time, on demand. The
 * `AbortSignal` fires when the reader stops.
 *
 * @throws {CometError} `ERR_OPTION` if `make` is not a function. Its throw or rejection reaches the reader.
 */
export function repeatAsync<E>(make: (signal: AbortSignal) => PromiseLike<E>): Enumerator<E> {
  assertFunction("The function of repeatAsync", make);
  return asking(() => ({ ask: make, read: (value) => value }));
}

/**
 * {@link repeatAsync} until `make` resolves to `undefined`, which ends the source.
 *
 * @throws {CometError} `ERR_OPTION` if `make` is not a function. Its throw or rejection reaches the reader.
 */
export function generateAsync<E>(make: (signal: AbortSignal) => PromiseLike<E | undefined>): Enumerator<E> {
  assertFunction("The function of generateAsync", make);
  return asking(() => ({ ask: make, read: (value) => (value === undefined ? END : value) }));
}

/**
 * Creates a source that emits 0 after `delayMs` milliseconds and ends. The delay begins with the run; there is no timer
 * before.
 *
 * @param delayMs A whole number from 0 to 2,147,483,647.
 * @throws {CometError} `ERR_OPTION` if `delayMs` is out of its range.
 */
export function timer(delayMs: number): Enumerator<number> {
  assertInteger("The delay of timer", delayMs, 0, MAX_TIMER_MS);
  return new Enumerator((wake) => new OneShotRun(delayMs, wake));
}

/** A run that consists of its poll. */
class PollRun<E> implements Run<E> {
  readonly poll: () => Step<E>;

  constructor(poll: () => Step<E>) {
    this.poll = poll;
  }

  close(): void {
    // There is nothing to release.
  }
}

class OneShotRun implements Run<number> {
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

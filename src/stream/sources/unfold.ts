import { assertFunction } from "../../core/options.ts";
import { Enumerator } from "../enumerator.ts";
import { END, type Run, type Step } from "../run.ts";
import { asking } from "./asking-source.ts";

/**
 * Creates a source from a state: `step` takes the state and returns the next element and the next state, or `undefined`
 * to end. Each run begins with `seed`; `step` is called once for each element, on demand.
 *
 * @throws {CometError} `ERR_OPTION` if `step` is not a function. Its errors reach the reader.
 */
export function unfold<S, E>(seed: S, step: (state: S) => readonly [E, S] | undefined): Enumerator<E> {
  assertFunction("The step of unfold", step);
  return new Enumerator(() => new UnfoldRun(seed, step));
}

/**
 * {@link unfold} with an asynchronous `step`. It is not called again before its promise has settled. Its second
 * argument is an `AbortSignal` that fires when the reader stops, so that a wait can end early.
 *
 * @throws {CometError} `ERR_OPTION` if `step` is not a function. Its throw or rejection reaches the reader.
 */
export function unfoldAsync<S, E>(
  seed: S,
  step: (state: S, signal: AbortSignal) => PromiseLike<readonly [E, S] | undefined>,
): Enumerator<E> {
  assertFunction("The step of unfoldAsync", step);
  return asking(() => {
    let state = seed;
    return {
      ask: (signal) => step(state, signal),
      read: (next) => {
        if (next === undefined) return END;
        state = next[1];
        return next[0];
      },
    };
  });
}

class UnfoldRun<S, E> implements Run<E> {
  #state: S;
  readonly #step: (state: S) => readonly [E, S] | undefined;

  constructor(seed: S, step: (state: S) => readonly [E, S] | undefined) {
    this.#state = seed;
    this.#step = step;
  }

  poll(): Step<E> {
    const next = this.#step(this.#state);
    if (next === undefined) return END;
    this.#state = next[1];
    return next[0];
  }

  close(): void {
    // There is nothing to release.
  }
}

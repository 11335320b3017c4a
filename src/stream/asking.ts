import { CometError, describe } from "../core/errors.ts";
import { END, WAIT, type Run, type Step, type Wake } from "./run.ts";

/** The requests of one run, for one element at a time, by promises. */
export interface Asking<T, E> {
  /** Requests one element; never called again before that promise has settled. A throw or a rejection ends the run. */
  ask(): PromiseLike<T>;
  /** Converts an answer into an element or the end. */
  read(answer: T): E | typeof END;
  /** Called if the reader stops before the end. */
  stop(): void | PromiseLike<void>;
}

const idle = 0;
const asked = 1;
const holding = 2;
const failed = 3;
const finished = 4;

/** A run that requests each element by a promise: when it is polled, and never ahead. */
export class AskingRun<T, E> implements Run<E> {
  readonly #asking: Asking<T, E>;
  readonly #wake: Wake;
  #state: typeof idle | typeof asked | typeof holding | typeof failed | typeof finished = idle;
  #held: unknown;

  constructor(asking: Asking<T, E>, wake: Wake) {
    this.#asking = asking;
    this.#wake = wake;
  }

  poll(): Step<E> {
    switch (this.#state) {
      case idle:
        return this.#ask();
      case asked:
        return WAIT;
      case holding: {
        const answer = this.#held as T;
        this.#held = undefined;
        this.#state = finished;
        const step = this.#asking.read(answer);
        if (step !== END) this.#state = idle;
        return step;
      }
      case failed:
        this.#state = finished;
        throw this.#held;
      case finished:
        return END;
    }
  }

  close(): void | PromiseLike<void> {
    const over = this.#state === finished || this.#state === failed;
    this.#state = finished;
    this.#held = undefined;
    return over ? undefined : this.#asking.stop();
  }

  #ask(): typeof WAIT {
    this.#state = finished;
    const answer = this.#asking.ask();
    this.#state = asked;
    // A native promise calls back in its own microtask; anything else is converted to one.
    Promise.resolve(answer).then(this.#onAnswer, this.#onFailure);
    return WAIT;
  }

  // One pair for all elements: a closure for each would dominate the cost.
  readonly #onAnswer = (answer: T): void => this.#arrive(holding, answer);
  readonly #onFailure = (error: unknown): void => this.#arrive(failed, error);

  #arrive(state: typeof holding | typeof failed, held: unknown): void {
    if (this.#state !== asked) return;
    this.#state = state;
    this.#held = held;
    this.#wake();
  }
}

/**
 * Requests the elements of an async iterator. It calls `return()` if the reader stops before the iterator has ended or
 * failed.
 */
export function askingIterator<E>(iterator: AsyncIterator<E>): Asking<IteratorResult<E>, E> {
  return {
    ask: () => iterator.next(),
    read: readResult,
    stop: () => iterator.return?.().then(() => undefined),
  };
}

function readResult<E>(result: IteratorResult<E>): E | typeof END {
  if (typeof result === "object" && (result as unknown) !== null) return result.done === true ? END : result.value;
  throw new CometError("ERR_SOURCE", `An async iterator's next() must return an object, not ${describe(result)}.`);
}

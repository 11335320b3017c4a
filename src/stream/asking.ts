import { CometError, describe } from "../core/errors.ts";
import { END, WAIT, type Run, type Step, type Wake } from "./run.ts";

/** How the elements of one run are asked for, one at a time, by promises. */
export interface Asking<T, E> {
  /** Asks for one: not again before that promise has settled. A throw or a rejection is the end of the run. */
  ask(): PromiseLike<T>;
  /** What an answer means: an element, or the end. */
  read(answer: T): E | typeof END;
  /** The reader has left before the end. */
  stop(): void | PromiseLike<void>;
}

const idle = 0;
const asked = 1;
const holding = 2;
const failed = 3;
const finished = 4;

/** A run whose every element is a promise. It asks when it is polled, and never ahead. */
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
    // A promise of the platform's calls back in a microtask of its own; anything else is made one.
    Promise.resolve(answer).then(this.#onAnswer, this.#onFailure);
    return WAIT;
  }

  // One pair for all elements: a closure for each would be the dearest thing here.
  readonly #onAnswer = (answer: T): void => this.#arrive(holding, answer);
  readonly #onFailure = (error: unknown): void => this.#arrive(failed, error);

  #arrive(state: typeof holding | typeof failed, held: unknown): void {
    if (this.#state !== asked) return;
    this.#state = state;
    this.#held = held;
    this.#wake();
  }
}

/** Asks an async iterator, and calls its `return()` if the reader leaves before it has ended or failed. */
export function askingIterator<E>(iterator: AsyncIterator<E>): Asking<IteratorResult<E>, E> {
  return {
    ask: () => iterator.next(),
    read: readResult,
    stop: () => iterator.return?.().then(() => undefined),
  };
}

function readResult<E>(result: IteratorResult<E>): E | typeof END {
  if (typeof result === "object" && (result as unknown) !== null) return result.done === true ? END : result.value;
  throw new CometError("ERR_SOURCE", `An async iterator's next() must give an object, not ${describe(result)}.`);
}

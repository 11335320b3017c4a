import { Enumerator } from "../enumerator.ts";
import { END, WAIT, type Run, type Step, type Wake } from "../run.ts";

/** How one run asks for its elements. */
export interface Asking<T, E> {
  /** Asks for one: not again before that promise has settled. */
  ask(signal: AbortSignal): PromiseLike<T>;
  /** What an answer means: an element, or the end. */
  read(answer: T): E | typeof END;
}

/** A source that asks for every element by a function that may wait and is told when the reader stops, one for each run. */
export function asking<T, E>(begin: () => Asking<T, E>): Enumerator<E> {
  return new Enumerator((wake) => new AskingRun(begin(), wake));
}

const idle = 0;
const asked = 1;
const holding = 2;
const failed = 3;
const finished = 4;

class AskingRun<T, E> implements Run<E> {
  readonly #asking: Asking<T, E>;
  readonly #wake: Wake;
  readonly #abort = new AbortController();
  #state: typeof idle | typeof asked | typeof holding | typeof failed | typeof finished = idle;
  #held: unknown;

  constructor(asking: Asking<T, E>, wake: Wake) {
    this.#asking = asking;
    this.#wake = wake;
  }

  poll(): Step<E> {
    switch (this.#state) {
      case idle:
        this.#state = asked;
        // A promise of the platform's calls back in a microtask of its own; anything else is made one.
        Promise.resolve(this.#asking.ask(this.#abort.signal)).then(this.#onAnswer, this.#onFailure);
        return WAIT;
      case asked:
        return WAIT;
      case holding: {
        const step = this.#asking.read(this.#held as T);
        this.#held = undefined;
        this.#state = step === END ? finished : idle;
        return step;
      }
      case failed:
        this.#state = finished;
        throw this.#held;
      case finished:
        return END;
    }
  }

  close(): void {
    if (this.#state === finished) return;
    this.#state = finished;
    this.#held = undefined;
    this.#abort.abort();
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

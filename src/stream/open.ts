import { CometError, describe } from "../core/errors.ts";
import { END, WAIT, type OwnSource, type Run, type Step, type Wake } from "./run.ts";

/** Starts a run of any source: ours by its own protocol, another's through its async iterator. */
export function openRun<E>(source: AsyncIterable<E>, wake: Wake): Run<E> {
  return isOwn(source) ? source._openRun(wake) : new AsyncIteratorRun(source[Symbol.asyncIterator](), wake);
}

function isOwn<E>(source: AsyncIterable<E>): source is AsyncIterable<E> & OwnSource<E> {
  return "_openRun" in source;
}

const idle = 0;
const asked = 1;
const holding = 2;
const failed = 3;
const finished = 4;

/**
 * A run over an async iterator. It asks for one element at a time, when polled and never ahead, and calls `return()`
 * once if it is closed before the iterator has finished by itself.
 */
export class AsyncIteratorRun<E> implements Run<E> {
  readonly #iterator: AsyncIterator<E>;
  readonly #wake: Wake;
  #state: typeof idle | typeof asked | typeof holding | typeof failed | typeof finished = idle;
  #held: unknown;

  constructor(iterator: AsyncIterator<E>, wake: Wake) {
    this.#iterator = iterator;
    this.#wake = wake;
  }

  poll(): Step<E> {
    switch (this.#state) {
      case idle:
        this.#state = asked;
        this.#ask();
        return WAIT;
      case asked:
        return WAIT;
      case holding: {
        const element = this.#held as E;
        this.#held = undefined;
        this.#state = idle;
        return element;
      }
      case failed:
        this.#state = finished;
        throw this.#held;
      case finished:
        return END;
    }
  }

  close(): void | Promise<void> {
    if (this.#state === finished || this.#state === failed) return;
    this.#state = finished;
    this.#held = undefined;
    return this.#iterator.return?.().then(() => undefined);
  }

  #ask(): void {
    let answer: PromiseLike<IteratorResult<E>>;
    try {
      answer = this.#iterator.next();
    } catch (error) {
      this.#state = finished;
      throw error;
    }
    answer.then(
      (result) => this.#settle(result),
      (error: unknown) => this.#arrive(failed, error),
    );
  }

  #settle(result: IteratorResult<E>): void {
    if (typeof result !== "object" || (result as unknown) === null) {
      this.#arrive(failed, new CometError("ERR_SOURCE", `An async iterator's next() must give an object, not ${describe(result)}.`));
    } else if (result.done === true) this.#arrive(finished, undefined);
    else this.#arrive(holding, result.value);
  }

  #arrive(state: typeof holding | typeof failed | typeof finished, held: unknown): void {
    if (this.#state !== asked) return;
    this.#state = state;
    this.#held = held;
    this.#wake();
  }
}

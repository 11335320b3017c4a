import { AskingRun, askingIterator } from "./asking.ts";
import { WAIT, type OwnSource, type Run, type Step, type Wake } from "./run.ts";

/** The number of nested runs after which a new stack begins. */
const MAX_DEPTH = 250;

let depth = 0;

/** Starts a run of any source: of an Enumerator by the pull protocol, of another by its async iterator. */
export function openRun<E>(source: AsyncIterable<E>, wake: Wake): Run<E> {
  if (!isOwn(source)) return new AskingRun(askingIterator(source[Symbol.asyncIterator]()), wake);
  if (depth === MAX_DEPTH) return new HopRun(source, wake);
  depth += 1;
  try {
    return source._openRun(wake);
  } finally {
    depth -= 1;
  }
}

/**
 * Returns an {@link openRun} for runs that open others while they are polled. It counts the depth from the point where
 * they were opened themselves.
 */
export function opener(): <E>(source: AsyncIterable<E>, wake: Wake) => Run<E> {
  const here = depth;
  return (source, wake) => {
    const before = depth;
    depth = here;
    try {
      return openRun(source, wake);
    } finally {
      depth = before;
    }
  };
}

function isOwn<E>(source: AsyncIterable<E>): source is AsyncIterable<E> & OwnSource<E> {
  return "_openRun" in source;
}

/**
 * A run that opens and polls its source on a new stack, one microtask later, so that thousands of operators can be
 * nested. It costs one microtask for each element, once in {@link MAX_DEPTH} operators.
 */
class HopRun<E> implements Run<E> {
  readonly #source: OwnSource<E>;
  readonly #wake: Wake;
  #run: Run<E> | undefined;
  #asked = false;
  #scheduled = false;
  #closed = false;
  #answer: (() => Step<E>) | undefined;

  constructor(source: OwnSource<E>, wake: Wake) {
    this.#source = source;
    this.#wake = wake;
  }

  poll(): Step<E> {
    const answer = this.#answer;
    if (answer !== undefined) {
      this.#answer = undefined;
      return answer();
    }
    if (!this.#asked) {
      this.#asked = true;
      this.#schedule();
    }
    return WAIT;
  }

  close(): void | PromiseLike<void> {
    this.#closed = true;
    const run = this.#run;
    // Closing recurses as deep as opening.
    return run === undefined ? undefined : Promise.resolve().then(() => run.close());
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    queueMicrotask(() => this.#ask());
  }

  #ask(): void {
    this.#scheduled = false;
    if (this.#closed || !this.#asked) return;
    try {
      this.#run ??= this.#source._openRun(() => this.#onWake());
      const step = this.#run.poll();
      if (step === WAIT) return;
      this.#answer = () => step;
    } catch (error) {
      this.#answer = () => {
        throw error;
      };
    }
    this.#asked = false;
    this.#wake();
  }

  /** The source may have an element: polls it, if the reader still waits. */
  #onWake(): void {
    if (this.#asked) this.#schedule();
  }
}

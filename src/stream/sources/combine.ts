import { assertFunction } from "../../core/options.ts";
import { closeAll } from "../close.ts";
import { Enumerator } from "../enumerator.ts";
import { opener, openRun } from "../open.ts";
import { END, isSignal, WAIT, type Run, type Step, type Wake } from "../run.ts";
import { SequenceRun } from "../sequence.ts";
import { ArrayRun, from, type Source } from "./from.ts";

/**
 * Creates a source by calling `make` for each run, at its first pull. `make` may be asynchronous, so this also turns a
 * promise of a source into a source. It may be a generator function.
 *
 * @throws {CometError} `ERR_OPTION` if `make` is not a function. Its throw or rejection reaches the reader, and so does
 *   `ERR_SOURCE` if it returns no source.
 */
export function defer<E>(make: () => Source<E> | PromiseLike<Source<E>>): Enumerator<E> {
  assertFunction("The function of defer", make);
  return new Enumerator((wake) => new DeferRun(make, wake));
}

/** Concatenates sources. Each is opened when the one before it has ended. A failure ends them all. */
export function concat<E>(...sources: readonly AsyncIterable<E>[]): Enumerator<E> {
  return new Enumerator((wake) => new SequenceRun(new ArrayRun(sources), wake));
}

/**
 * Merges several sources: emits from each that is ready, in turns. The order within each is kept. All are opened with
 * the run, and at most one element of each is requested ahead of the reader. It ends when all have ended; a failure of
 * one stops the others.
 */
export function interleave<E>(...sources: readonly AsyncIterable<E>[]): Enumerator<E> {
  return new Enumerator((wake) => new InterleaveRun(openAll(sources, wake)));
}

/**
 * Zips several sources: emits the first elements of all, then the second ... It ends with the shortest source and stops
 * the others, so at most one element of each is lost.
 */
export function zip<T extends readonly unknown[]>(
  ...sources: { readonly [I in keyof T]: AsyncIterable<T[I]> }
): Enumerator<T> {
  return new Enumerator((wake) => new ZipRun(openAll(sources as readonly AsyncIterable<unknown>[], wake)) as Run<T>);
}

/** Opens several sources, or none: if one cannot be opened, those before it are closed again. */
function openAll<E>(sources: readonly AsyncIterable<E>[], wake: Wake): Run<E>[] {
  const runs: Run<E>[] = [];
  try {
    for (const source of sources) runs.push(openRun(source, wake));
  } catch (error) {
    void closeAll(runs)?.catch(() => undefined);
    throw error;
  }
  return runs;
}

class DeferRun<E> implements Run<E> {
  readonly #make: () => Source<E> | PromiseLike<Source<E>>;
  readonly #wake: Wake;
  readonly #openRun = opener();
  #asked = false;
  #closed = false;
  #run: Run<E> | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(make: () => Source<E> | PromiseLike<Source<E>>, wake: Wake) {
    this.#make = make;
    this.#wake = wake;
  }

  poll(): Step<E> {
    if (this.#run !== undefined) return this.#run.poll();
    if (this.#failure !== undefined) throw this.#failure.error;
    if (this.#asked) return WAIT;
    this.#asked = true;
    const made = this.#make();
    if ("then" in Object(made)) {
      (made as PromiseLike<Source<E>>).then(
        (source) => this.#arrive(() => this.#open(source)),
        (error: unknown) => this.#arrive(() => (this.#failure = { error })),
      );
      return WAIT;
    }
    this.#open(made as Source<E>);
    return this.poll();
  }

  close(): void | PromiseLike<void> {
    this.#closed = true;
    return this.#run?.close();
  }

  #open(source: Source<E>): void {
    this.#run = this.#openRun(from(source), this.#wake);
  }

  #arrive(act: () => void): void {
    if (this.#closed) return;
    try {
      act();
    } catch (error) {
      this.#failure = { error };
    }
    this.#wake();
  }
}

class InterleaveRun<E> implements Run<E> {
  readonly #runs: readonly Run<E>[];
  /** The runs that have not ended. */
  readonly #live: Run<E>[];
  #turn = 0;

  constructor(runs: readonly Run<E>[]) {
    this.#runs = runs;
    this.#live = [...runs];
  }

  poll(): Step<E> {
    for (let tried = 0; tried < this.#live.length;) {
      this.#turn %= this.#live.length;
      const step = (this.#live[this.#turn] as Run<E>).poll();
      if (step === END) {
        this.#live.splice(this.#turn, 1);
        continue;
      }
      this.#turn += 1;
      if (step !== WAIT) return step;
      tried += 1;
    }
    return this.#live.length === 0 ? END : WAIT;
  }

  close(): void | PromiseLike<void> {
    return closeAll(this.#runs);
  }
}

class ZipRun implements Run<readonly unknown[]> {
  readonly #runs: readonly Run<unknown>[];
  /** The elements of the current row; `WAIT` for those that are missing. */
  #row: unknown[];

  constructor(runs: readonly Run<unknown>[]) {
    this.#runs = runs;
    this.#row = runs.map(() => WAIT);
  }

  poll(): Step<readonly unknown[]> {
    if (this.#runs.length === 0) return END;
    let complete = true;
    for (const [i, run] of this.#runs.entries()) {
      if (this.#row[i] !== WAIT) continue;
      const step = run.poll();
      if (step === END) return END;
      if (isSignal(step)) complete = false;
      else this.#row[i] = step;
    }
    if (!complete) return WAIT;
    const row = this.#row;
    this.#row = this.#runs.map(() => WAIT);
    return row;
  }

  close(): void | PromiseLike<void> {
    return closeAll(this.#runs);
  }
}

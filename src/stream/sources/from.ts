import { CometError, describe } from "../../core/errors.ts";
import { Enumerator } from "../enumerator.ts";
import { AsyncIteratorRun } from "../open.ts";
import { END, type Run, type Step } from "../run.ts";

/** A source of exactly these elements, for any number of runs. */
export function of<E>(...elements: readonly E[]): Enumerator<E> {
  return new Enumerator(() => new ArrayRun(elements), true);
}

/**
 * A source of the elements of anything that can be iterated.
 *
 * - An `Enumerator` is given back as it is.
 * - An iterable or async iterable is asked for a new iterator by each run. One that is its own iterator, such as a
 *   generator object, can run only once.
 * - A `ReadableStream` can run only once, and is locked by it. A reader who stops early cancels the stream.
 *
 * One element is asked for at a time, when the consumer wants it. A consumer that stops early calls the iterator's
 * `return()` once. An async generator that is waiting just then runs its `finally` when that wait is over.
 *
 * @throws {CometError} `ERR_SOURCE` at once if it cannot be iterated; `ERR_SOURCE_USED`, to the reader, when a source
 *   that can run once is run again.
 */
export function from<E>(source: AsyncIterable<E> | Iterable<E> | ReadableStream<E>): Enumerator<E> {
  if (source instanceof Enumerator) return source as Enumerator<E>;
  const given = Object(source) as Partial<AsyncIterable<E> & Iterable<E> & ReadableStream<E>>;
  // A stream is asked for its reader even where it is async iterable, so that it is the same everywhere.
  if (typeof given.getReader === "function") return fromAsync(() => readerIterator(source as ReadableStream<E>));
  if (typeof given[Symbol.asyncIterator] === "function") {
    return fromAsync(oncePerRun(source, () => (source as AsyncIterable<E>)[Symbol.asyncIterator]()));
  }
  if (Array.isArray(source)) return new Enumerator(() => new ArrayRun(source as readonly E[]), true);
  if (typeof given[Symbol.iterator] === "function") {
    const iterate = oncePerRun(source, () => (source as Iterable<E>)[Symbol.iterator]());
    return new Enumerator(() => new IteratorRun(iterate()));
  }
  throw new CometError(
    "ERR_SOURCE",
    `Enumerator.from takes an iterable, an async iterable or a ReadableStream, not ${describe(source)}.`,
  );
}

function fromAsync<E>(iterate: () => AsyncIterator<E>): Enumerator<E> {
  return new Enumerator((wake) => new AsyncIteratorRun(iterate(), wake));
}

/** A source that is its own iterator has nothing left for a second run, which would look like an empty source. */
function oncePerRun<I extends object>(source: unknown, iterate: () => I): () => I {
  let used = false;
  return () => {
    const iterator = iterate();
    if (iterator === source) {
      if (used) throw usedError("A generator, or another iterator that is its own source,");
      used = true;
    }
    return iterator;
  };
}

function usedError(what: string, cause?: unknown): CometError {
  const message = `${what} can be run only once. Give each run a new one: an object whose [Symbol.asyncIterator] makes it.`;
  return new CometError("ERR_SOURCE_USED", message, { cause });
}

/** An iterator over a stream. Its reader is never released: a stream serves one run. */
function readerIterator<E>(stream: ReadableStream<E>): AsyncIterator<E> {
  let reader: ReadableStreamDefaultReader<E>;
  try {
    reader = stream.getReader();
  } catch (error) {
    throw usedError("A ReadableStream", error);
  }
  return {
    next: () => reader.read() as Promise<IteratorResult<E>>,
    return: async () => {
      await reader.cancel();
      return { done: true, value: undefined };
    },
  };
}

class ArrayRun<E> implements Run<E> {
  readonly #elements: readonly E[];
  #next = 0;

  constructor(elements: readonly E[]) {
    this.#elements = elements;
  }

  poll(): Step<E> {
    return this.#next < this.#elements.length ? (this.#elements[this.#next++] as E) : END;
  }

  close(): void {
    this.#next = Infinity;
  }
}

class IteratorRun<E> implements Run<E> {
  readonly #iterator: Iterator<E>;
  #finished = false;

  constructor(iterator: Iterator<E>) {
    this.#iterator = iterator;
  }

  poll(): Step<E> {
    let result: IteratorResult<E>;
    try {
      result = this.#iterator.next();
    } catch (error) {
      this.#finished = true;
      throw error;
    }
    if (result.done !== true) return result.value;
    this.#finished = true;
    return END;
  }

  close(): void {
    if (this.#finished) return;
    this.#finished = true;
    this.#iterator.return?.();
  }
}

import { CometError, describe } from "../../core/errors.ts";
import type { BoundOptions } from "../bounded-queue.ts";
import { Enumerator } from "../enumerator.ts";
import { AskingRun, askingIterator } from "../asking.ts";
import { END, type Run, type Step } from "../run.ts";
import { observe, type ObservableLike } from "./observe.ts";

/** Creates a source of exactly these elements, for any number of runs. */
export function of<E>(...elements: readonly E[]): Enumerator<E> {
  return new Enumerator(() => new ArrayRun(elements), { atHand: true });
}

/** The types that {@link from} accepts. */
export type Source<E> = AsyncIterable<E> | Iterable<E> | ReadableStream<E> | ObservableLike<E>;

/**
 * Creates a source from an iterable, an async iterable, a stream or an observable.
 *
 * - An `Enumerator` is returned unchanged.
 * - An iterable or async iterable makes a new iterator for each run. One that is its own iterator, such as a generator
 *   object, can run only once; `Enumerator.defer` makes a new one for each run.
 * - A `ReadableStream`, or a `Readable` of Node such as a file's, can run only once. A reader that stops early cancels
 *   or destroys it.
 * - An observable, with `Symbol.observable` or RxJS's `subscribe`, is subscribed to by each run. It has no
 *   backpressure: elements wait for the reader within the bound of `options`.
 *
 * All except an observable are pulled one element at a time, on demand. A consumer that stops early calls the
 * iterator's `return()` once. An async generator that is waiting at that time runs its `finally` when that wait is
 * over.
 *
 * @throws {CometError} `ERR_SOURCE` at once if it is none of these; `ERR_OPTION` for a wrong option; `ERR_SOURCE_USED`,
 *   to the reader, when a source that can run once is run again.
 */
export function from<E>(source: Source<E>, options: BoundOptions<E> = {}): Enumerator<E> {
  if (source instanceof Enumerator) return source as Enumerator<E>;
  const given = Object(source) as Partial<AsyncIterable<E> & Iterable<E> & ReadableStream<E> & ObservableLike<E>>;
  // A stream is read by its reader even where it is async iterable, so that it behaves the same everywhere.
  if (typeof given.getReader === "function") return fromAsync(() => readerIterator(source as ReadableStream<E>));
  if (typeof given[Symbol.asyncIterator] === "function") {
    const iterable = source as AsyncIterable<E>;
    return fromAsync(oncePerRun(iterable, () => iterable[Symbol.asyncIterator]()));
  }
  if (Array.isArray(source)) return new Enumerator(() => new ArrayRun(source as readonly E[]), { atHand: true });
  if (typeof given[Symbol.iterator] === "function") {
    const iterate = oncePerRun(source, () => (source as Iterable<E>)[Symbol.iterator]());
    return new Enumerator(() => new IteratorRun(iterate()));
  }
  const observable = asObservable<E>(given);
  if (observable !== undefined) return observe(observable, options);
  throw new CometError(
    "ERR_SOURCE",
    `Enumerator.from takes an iterable, an async iterable, a stream or an observable, not ${describe(source)}.`,
  );
}

/** RxJS uses the string if there is no symbol. */
const observableKeys = [(Symbol as { observable?: symbol }).observable ?? "", "@@observable"];

function asObservable<E>(given: Partial<ObservableLike<E>>): ObservableLike<E> | undefined {
  for (const key of observableKeys) {
    const method = (given as Record<PropertyKey, unknown>)[key];
    if (typeof method === "function") return method.call(given) as ObservableLike<E>;
  }
  return typeof given.subscribe === "function" ? (given as ObservableLike<E>) : undefined;
}

function fromAsync<E>(iterate: () => AsyncIterator<E>): Enumerator<E> {
  return new Enumerator((wake) => new AskingRun(askingIterator(iterate()), wake));
}

/** Rejects a second run of a source that is its own iterator: it would look like an empty source. */
function oncePerRun<I extends object>(source: unknown, iterate: () => I): () => I {
  let used = false;
  return () => {
    if (used) throw usedError("A generator, a Readable, or another source that is its own iterator,");
    const iterator = iterate();
    // Node's Readable makes a new iterator each time, over data that can be read only once.
    used = iterator === source || "readableFlowing" in Object(source);
    return iterator;
  };
}

function usedError(what: string, cause?: unknown): CometError {
  const message = `${what} can be run only once. Give each run a new one, with Enumerator.defer.`;
  return new CometError("ERR_SOURCE_USED", message, { cause });
}

/** Makes an iterator over a stream. It never releases its reader: a stream serves one run. */
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

/** A run over a list in memory. */
export class ArrayRun<E> implements Run<E> {
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

import { assertFunction, assertInteger } from "../core/options.ts";
import { andThen, isPromiseLike } from "../core/promise.ts";
import type { Fold, Iteratee } from "./iteratee.ts";

/**
 * Folds all elements: begins with `seed`, and replaces the state by `f(state, element)`.
 *
 * @throws {CometError} `ERR_OPTION` if `f` is not a function. An error of `f` fails the run and stops the source.
 */
export function fold<E, R>(seed: R, f: (state: R, element: E) => R): Iteratee<E, R> {
  assertFunction("The function of fold", f);
  return folding(() => {
    let state = seed;
    return { take: (element) => void (state = f(state, element)), finish: () => state };
  });
}

/**
 * {@link fold} with an asynchronous function: the next element is pulled when its promise is fulfilled.
 *
 * @throws {CometError} `ERR_OPTION` if `f` is not a function. A throw or rejection of `f` fails the run and stops the
 *   source.
 */
export function foldAsync<E, R>(seed: R, f: (state: R, element: E) => PromiseLike<R>): Iteratee<E, R> {
  assertFunction("The function of foldAsync", f);
  return folding(() => {
    let state = seed;
    return { take: (element) => f(state, element).then((next) => void (state = next)), finish: () => state };
  });
}

/**
 * {@link fold} that begins with the first element; `undefined` if there is none. Play's `fold1`.
 *
 * @throws {CometError} `ERR_OPTION` if `f` is not a function. An error of `f` fails the run and stops the source.
 */
export function reduce<E>(f: (state: E, element: E) => E): Iteratee<E, E | undefined> {
  assertFunction("The function of reduce", f);
  return folding(() => {
    let state: { readonly value: E } | undefined;
    return {
      take: (element) => void (state = { value: state === undefined ? element : f(state.value, element) }),
      finish: () => state?.value,
    };
  });
}

/** Collects all elements in an array: only for finite, small sources. Play's `getChunks`. */
export function collect<E>(): Iteratee<E, E[]> {
  return takeUpTo(Number.MAX_SAFE_INTEGER);
}

/** Returns the first element, and stops the source; `undefined` if there is none. */
export function head<E>(): Iteratee<E, E | undefined> {
  return map(takeUpTo<E>(1), ([first]) => first);
}

/** Returns the last element; `undefined` if there is none. */
export function last<E>(): Iteratee<E, E | undefined> {
  return reduce((_, element) => element);
}

/**
 * Collects the first `count` elements in an array, and stops the source.
 *
 * @param count A whole number from 0 to 2^53 - 1.
 * @throws {CometError} `ERR_OPTION` if `count` is out of its range.
 */
export function takeUpTo<E>(count: number): Iteratee<E, E[]> {
  assertInteger("The count of takeUpTo", count, 0, Number.MAX_SAFE_INTEGER);
  return {
    start: () => {
      const elements: E[] = [];
      return {
        get done() {
          return elements.length >= count;
        },
        take: (element) => void elements.push(element),
        finish: () => elements,
      };
    },
  };
}

/** Counts the elements. */
export function count(): Iteratee<unknown, number> {
  return fold(0, (n) => n + 1);
}

/** Whether there is no element. It stops the source at the first. */
export function isEmpty(): Iteratee<unknown, boolean> {
  return map(takeUpTo(1), ({ length }) => length === 0);
}

/**
 * Calls `f` with each element. If it returns a promise, the next element is pulled when that is fulfilled.
 *
 * @throws {CometError} `ERR_OPTION` if `f` is not a function. A throw or rejection of `f` fails the run and stops the
 *   source.
 */
export function forEach<E>(f: (element: E) => unknown): Iteratee<E, void> {
  assertFunction("The function of forEach", f);
  return folding(() => ({ take: f, finish: () => undefined }));
}

/** Runs a source for its side effects, and drops all elements. Play's `ignore` and `skipToEof`. */
export function ignore(): Iteratee<unknown, void> {
  return forEach(() => undefined);
}

/**
 * Converts the result of a consumer by `f`, which may be asynchronous.
 *
 * @throws {CometError} `ERR_OPTION` if `f` is not a function. A throw or rejection of `f` fails the run.
 */
export function map<E, A, B>(iteratee: Iteratee<E, A>, f: (result: A) => B | PromiseLike<B>): Iteratee<E, B> {
  assertFunction("The function of map", f);
  return {
    start: () => {
      const inner = iteratee.start();
      return {
        get done() {
          return inner.done;
        },
        take: (element) => inner.take(element),
        finish: () => andThen(inner.finish(), f),
        close: () => inner.close?.(),
      };
    },
  };
}

/**
 * Runs one consumer, and when it is done, another that `f` makes of its result, on the remaining elements.
 *
 * @throws {CometError} `ERR_OPTION` if `f` is not a function. A throw or rejection of `f` fails the run and stops the
 *   source.
 */
export function flatMap<E, A, B>(
  iteratee: Iteratee<E, A>,
  f: (result: A) => Iteratee<E, B> | PromiseLike<Iteratee<E, B>>,
): Iteratee<E, B> {
  assertFunction("The function of flatMap", f);
  return { start: () => new FlatMapFold(iteratee.start(), f) };
}

/** Runs two consumers side by side, each until it is done. Returns both results when both are done. */
export function zip<E, A, B>(left: Iteratee<E, A>, right: Iteratee<E, B>): Iteratee<E, readonly [A, B]> {
  return {
    start: () => {
      const folds = [left.start(), right.start()] as const;
      return {
        get done() {
          return folds[0].done && folds[1].done;
        },
        take: (element) => {
          const waits = folds.map((one) => (one.done ? undefined : one.take(element))).filter(isPromiseLike);
          return waits.length > 0 ? Promise.all(waits) : undefined;
        },
        finish: () => {
          const results = [folds[0].finish(), folds[1].finish()] as const;
          return results.some(isPromiseLike) ? Promise.all(results) : (results as readonly [A, B]);
        },
        close: () => folds.forEach((one) => one.close?.()),
      };
    },
  };
}

class FlatMapFold<E, A, B> implements Fold<E, B> {
  #first: Fold<E, A> | undefined;
  #second: Fold<E, B> | undefined;
  readonly #f: (result: A) => Iteratee<E, B> | PromiseLike<Iteratee<E, B>>;

  constructor(first: Fold<E, A>, f: (result: A) => Iteratee<E, B> | PromiseLike<Iteratee<E, B>>) {
    this.#first = first;
    this.#f = f;
  }

  get done(): boolean {
    return this.#second?.done ?? false;
  }

  take(element: E): unknown {
    if (this.#second !== undefined) return this.#second.take(element);
    if (this.#first?.done === false) return this.#first.take(element);
    return andThen(this.#switch(), (second) => (second.done ? undefined : second.take(element)));
  }

  finish(): B | PromiseLike<B> {
    return this.#second !== undefined ? this.#second.finish() : andThen(this.#switch(), (second) => second.finish());
  }

  close(): void {
    (this.#second ?? this.#first)?.close?.();
  }

  #switch(): Fold<E, B> | PromiseLike<Fold<E, B>> {
    const first = this.#first as Fold<E, A>;
    this.#first = undefined;
    return andThen(andThen(first.finish(), this.#f), (iteratee) => (this.#second = iteratee.start()));
  }
}

/** A consumer that is never done before the end. */
function folding<E, R>(begin: () => Omit<Fold<E, R>, "done">): Iteratee<E, R> {
  return { start: () => ({ done: false, ...begin() }) };
}

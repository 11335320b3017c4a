import { assertFunction, assertInteger } from "../core/options.ts";
import { andThen, isPromiseLike } from "../core/promise.ts";
import type { Fold, Iteratee } from "./iteratee.ts";

/**
 * Begins with `seed`, and replaces it by `f` of it and each element.
 *
 * @throws {CometError} `ERR_OPTION` if `f` is not a function. What `f` throws fails the run and stops the source.
 */
export function fold<E, R>(seed: R, f: (state: R, element: E) => R): Iteratee<E, R> {
  assertFunction("The function of fold", f);
  return folding(() => {
    let state = seed;
    return { take: (element) => void (state = f(state, element)), finish: () => state };
  });
}

/**
 * {@link fold} with a function that may wait: the next element is pulled when its promise is fulfilled.
 *
 * @throws {CometError} `ERR_OPTION` if `f` is not a function. What `f` throws or rejects with fails the run and stops the source.
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
 * @throws {CometError} `ERR_OPTION` if `f` is not a function. What `f` throws fails the run and stops the source.
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

/** All elements, in an array: only for sources that are known to end, and to be small. Play's `getChunks`. */
export function collect<E>(): Iteratee<E, E[]> {
  return takeUpTo(Number.MAX_SAFE_INTEGER);
}

/** The first element, and then enough; `undefined` if there is none. */
export function head<E>(): Iteratee<E, E | undefined> {
  return map(takeUpTo<E>(1), ([first]) => first);
}

/** The last element; `undefined` if there is none. */
export function last<E>(): Iteratee<E, E | undefined> {
  return reduce((_, element) => element);
}

/**
 * The first elements, at most `count`, in an array, and then enough.
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

/** How many elements there are. */
export function count(): Iteratee<unknown, number> {
  return fold(0, (n) => n + 1);
}

/** Whether there is no element; one is enough to know. */
export function isEmpty(): Iteratee<unknown, boolean> {
  return map(takeUpTo(1), ({ length }) => length === 0);
}

/**
 * Calls `f` with each element. If it answers a promise, the next element is pulled when that is fulfilled.
 *
 * @throws {CometError} `ERR_OPTION` if `f` is not a function. What `f` throws or rejects with fails the run and stops the source.
 */
export function forEach<E>(f: (element: E) => unknown): Iteratee<E, void> {
  assertFunction("The function of forEach", f);
  return folding(() => ({ take: f, finish: () => undefined }));
}

/** Takes everything and keeps nothing: runs a source for what it does. Play's `ignore` and `skipToEof`. */
export function ignore(): Iteratee<unknown, void> {
  return forEach(() => undefined);
}

/**
 * Another result, made of this one's; `f` may wait.
 *
 * @throws {CometError} `ERR_OPTION` if `f` is not a function. What `f` throws or rejects with fails the run.
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
 * One consumer, and when it has enough, another that is made of its result and takes the rest.
 *
 * @throws {CometError} `ERR_OPTION` if `f` is not a function. What `f` throws or rejects with fails the run and stops the source.
 */
export function flatMap<E, A, B>(
  iteratee: Iteratee<E, A>,
  f: (result: A) => Iteratee<E, B> | PromiseLike<Iteratee<E, B>>,
): Iteratee<E, B> {
  assertFunction("The function of flatMap", f);
  return { start: () => new FlatMapFold(iteratee.start(), f) };
}

/** Two consumers side by side: each is given every element until it has enough. Both results, when both have. */
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

/** A consumer that takes all there is. */
function folding<E, R>(begin: () => Omit<Fold<E, R>, "done">): Iteratee<E, R> {
  return { start: () => ({ done: false, ...begin() }) };
}

import { aFunction } from "../../core/options.ts";
import type { Enumeratee } from "../enumerator.ts";
import { isSignal, OperatorRun, type Run, type Step } from "../run.ts";
import { lift } from "./lift.ts";

/**
 * Only the elements for which `keep` is true. A type predicate narrows the element type. For each element that is wanted,
 * pulls until there is one.
 *
 * @throws {CometError} `ERR_OPTION` if `keep` is not a function. What `keep` throws reaches the reader.
 */
export function filter<A, B extends A>(keep: (element: A) => element is B): Enumeratee<A, B>;
export function filter<A>(keep: (element: A) => boolean): Enumeratee<A, A>;
export function filter<A>(keep: (element: A) => boolean): Enumeratee<A, A> {
  aFunction("The predicate of filter", keep);
  return (source) => lift(source, (up) => new FilterRun(up, keep));
}

/**
 * Only the elements for which `leave` is false. For each element that is wanted, pulls until there is one.
 *
 * @throws {CometError} `ERR_OPTION` if `leave` is not a function. What `leave` throws reaches the reader.
 */
export function filterNot<A>(leave: (element: A) => boolean): Enumeratee<A, A> {
  aFunction("The predicate of filterNot", leave);
  return filter((element) => !leave(element));
}

/**
 * What `f` makes of each element, without those of which it makes `undefined`: `map` and `filter` in one. For each element
 * that is wanted, pulls until there is one.
 *
 * @throws {CometError} `ERR_OPTION` if `f` is not a function. What `f` throws reaches the reader.
 */
export function collect<A, B>(f: (element: A) => B | undefined): Enumeratee<A, B> {
  aFunction("The function of collect", f);
  return (source) => lift(source, (up) => new CollectRun(up, f));
}

/**
 * Without the elements that are the same as the one before them, by `Object.is` or by `same`. For each element that is
 * wanted, pulls until there is one.
 *
 * @throws {CometError} `ERR_OPTION` if `same` is not a function. What `same` throws reaches the reader.
 */
export function distinctUntilChanged<A>(same: (before: A, element: A) => boolean = Object.is): Enumeratee<A, A> {
  aFunction("The comparison of distinctUntilChanged", same);
  return (source) =>
    lift(source, (up) => {
      let before: { readonly element: A } | undefined;
      return new FilterRun(up, (element) => {
        if (before !== undefined && same(before.element, element)) return false;
        before = { element };
        return true;
      });
    });
}

class FilterRun<A> extends OperatorRun<A, A> {
  readonly #keep: (element: A) => boolean;

  constructor(up: Run<A>, keep: (element: A) => boolean) {
    super(up);
    this.#keep = keep;
  }

  poll(): Step<A> {
    for (;;) {
      const step = this.up.poll();
      if (isSignal(step) || this.#keep(step)) return step;
    }
  }
}

class CollectRun<A, B> extends OperatorRun<A, B> {
  readonly #f: (element: A) => B | undefined;

  constructor(up: Run<A>, f: (element: A) => B | undefined) {
    super(up);
    this.#f = f;
  }

  poll(): Step<B> {
    for (;;) {
      const step = this.up.poll();
      if (isSignal(step)) return step;
      const made = this.#f(step);
      if (made !== undefined) return made;
    }
  }
}

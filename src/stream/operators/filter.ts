import { assertFunction } from "../../core/options.ts";
import type { Enumeratee } from "../enumerator.ts";
import { SKIP } from "../stage-chain.ts";
import { stage } from "./stages.ts";

/**
 * Keeps only the elements for which `keep` is true. A type predicate narrows the element type. For each element that is
 * wanted, it pulls until there is one.
 *
 * @throws {CometError} `ERR_OPTION` if `keep` is not a function. Its errors reach the reader.
 */
export function filter<A, B extends A>(keep: (element: A) => element is B): Enumeratee<A, B>;
export function filter<A>(keep: (element: A) => boolean): Enumeratee<A, A>;
export function filter<A>(keep: (element: A) => boolean): Enumeratee<A, A> {
  assertFunction("The predicate of filter", keep);
  return stage(() => (element) => (keep(element) ? element : SKIP));
}

/**
 * Keeps only the elements for which `leave` is false. For each element that is wanted, it pulls until there is one.
 *
 * @throws {CometError} `ERR_OPTION` if `leave` is not a function. Its errors reach the reader.
 */
export function filterNot<A>(leave: (element: A) => boolean): Enumeratee<A, A> {
  assertFunction("The predicate of filterNot", leave);
  return filter((element) => !leave(element));
}

/**
 * Maps each element by `f`, and drops it if the result is `undefined`: `map` and `filter` in one. For each element that
 * is wanted, it pulls until there is one.
 *
 * @throws {CometError} `ERR_OPTION` if `f` is not a function. Its errors reach the reader.
 */
export function collect<A, B>(f: (element: A) => B | undefined): Enumeratee<A, B> {
  assertFunction("The function of collect", f);
  return stage(() => (element) => {
    const made = f(element);
    return made === undefined ? SKIP : made;
  });
}

/**
 * Drops each element that is the same as the one before it, by `Object.is` or by `same`. For each element that is
 * wanted, it pulls until there is one.
 *
 * @throws {CometError} `ERR_OPTION` if `same` is not a function. Its errors reach the reader.
 */
export function distinctUntilChanged<A>(same: (before: A, element: A) => boolean = Object.is): Enumeratee<A, A> {
  assertFunction("The comparison of distinctUntilChanged", same);
  return stage(() => {
    let before: { readonly element: A } | undefined;
    return (element) => {
      if (before !== undefined && same(before.element, element)) return SKIP;
      before = { element };
      return element;
    };
  });
}

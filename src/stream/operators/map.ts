import { assertFunction } from "../../core/options.ts";
import type { Enumeratee } from "../enumerator.ts";
import { stage } from "./stages.ts";

/**
 * Maps each element by `f`. It pulls one element for each that is wanted.
 *
 * @throws {CometError} `ERR_OPTION` if `f` is not a function. Its errors reach the reader.
 */
export function map<A, B>(f: (element: A) => B): Enumeratee<A, B> {
  assertFunction("The function of map", f);
  return stage(() => f);
}

/**
 * Calls `f` with each element, for side effects, and emits the element unchanged. It pulls one element for each that is
 * wanted.
 *
 * @throws {CometError} `ERR_OPTION` if `f` is not a function. Its errors reach the reader.
 */
export function tap<A>(f: (element: A) => void): Enumeratee<A, A> {
  assertFunction("The function of tap", f);
  return map((element) => {
    f(element);
    return element;
  });
}

/**
 * Emits every state of a fold, without the seed: `f(seed, first)`, then `f` of that and the second element, and so on.
 * Each run begins with `seed`. It pulls one element for each that is wanted.
 *
 * @throws {CometError} `ERR_OPTION` if `f` is not a function. Its errors reach the reader.
 */
export function scan<A, S>(seed: S, f: (state: S, element: A) => S): Enumeratee<A, S> {
  assertFunction("The function of scan", f);
  return stage(() => {
    let state = seed;
    return (element) => (state = f(state, element));
  });
}

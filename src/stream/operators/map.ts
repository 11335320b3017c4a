import { assertFunction } from "../../core/options.ts";
import type { Enumeratee } from "../enumerator.ts";
import { stage } from "./stages.ts";

/**
 * Each element replaced by what `f` makes of it. Pulls one element for each that is wanted.
 *
 * @throws {CometError} `ERR_OPTION` if `f` is not a function. What `f` throws reaches the reader.
 */
export function map<A, B>(f: (element: A) => B): Enumeratee<A, B> {
  assertFunction("The function of map", f);
  return stage(() => f);
}

/**
 * Each element as it is, after `f` has seen it: for what is done beside. Pulls one element for each that is wanted.
 *
 * @throws {CometError} `ERR_OPTION` if `f` is not a function. What `f` throws reaches the reader.
 */
export function tap<A>(f: (element: A) => void): Enumeratee<A, A> {
  assertFunction("The function of tap", f);
  return map((element) => {
    f(element);
    return element;
  });
}

/**
 * What `f` makes of `seed` and the first element, then of that and the second, and so on: every state of a fold but the
 * seed. Each run begins with `seed`. Pulls one element for each that is wanted.
 *
 * @throws {CometError} `ERR_OPTION` if `f` is not a function. What `f` throws reaches the reader.
 */
export function scan<A, S>(seed: S, f: (state: S, element: A) => S): Enumeratee<A, S> {
  assertFunction("The function of scan", f);
  return stage(() => {
    let state = seed;
    return (element) => (state = f(state, element));
  });
}

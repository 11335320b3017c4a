import { aFunction } from "../../core/options.ts";
import type { Enumeratee } from "../enumerator.ts";
import { isSignal, OperatorRun, type Run, type Step } from "../run.ts";
import { lift } from "./lift.ts";

/**
 * Each element replaced by what `f` makes of it.
 *
 * @throws {CometError} `ERR_OPTION` if `f` is not a function. What `f` throws reaches the reader.
 */
export function map<A, B>(f: (element: A) => B): Enumeratee<A, B> {
  aFunction("The function of map", f);
  return (source) => lift(source, (up) => new MapRun(up, f));
}

/**
 * Each element as it is, after `f` has seen it: for what is done beside.
 *
 * @throws {CometError} `ERR_OPTION` if `f` is not a function. What `f` throws reaches the reader.
 */
export function tap<A>(f: (element: A) => void): Enumeratee<A, A> {
  aFunction("The function of tap", f);
  return map((element) => {
    f(element);
    return element;
  });
}

/**
 * What `f` makes of `seed` and the first element, then of that and the second, and so on: every state of a fold but the
 * seed. Each run begins with `seed`.
 *
 * @throws {CometError} `ERR_OPTION` if `f` is not a function. What `f` throws reaches the reader.
 */
export function scan<A, S>(seed: S, f: (state: S, element: A) => S): Enumeratee<A, S> {
  aFunction("The function of scan", f);
  return (source) =>
    lift(source, (up) => {
      let state = seed;
      return new MapRun(up, (element) => (state = f(state, element)));
    });
}

class MapRun<A, B> extends OperatorRun<A, B> {
  readonly #f: (element: A) => B;

  constructor(up: Run<A>, f: (element: A) => B) {
    super(up);
    this.#f = f;
  }

  poll(): Step<B> {
    const step = this.up.poll();
    return isSignal(step) ? step : this.#f(step);
  }
}

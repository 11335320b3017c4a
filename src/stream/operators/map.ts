import { aFunction } from "../../core/options.ts";
import type { Enumeratee } from "../enumeratee.ts";
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

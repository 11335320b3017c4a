import { aFunction } from "../../core/options.ts";
import type { Enumeratee } from "../enumeratee.ts";
import { isSignal, OperatorRun, type Run, type Step } from "../run.ts";
import { lift } from "./lift.ts";

/**
 * Only the elements for which `keep` is true. A type predicate narrows the element type.
 *
 * @throws {CometError} `ERR_OPTION` if `keep` is not a function. What `keep` throws reaches the reader.
 */
export function filter<A, B extends A>(keep: (element: A) => element is B): Enumeratee<A, B>;
export function filter<A>(keep: (element: A) => boolean): Enumeratee<A, A>;
export function filter<A>(keep: (element: A) => boolean): Enumeratee<A, A> {
  aFunction("The predicate of filter", keep);
  return (source) => lift(source, (up) => new FilterRun(up, keep));
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

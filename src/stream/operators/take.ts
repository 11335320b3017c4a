import { wholeNumber } from "../../core/options.ts";
import type { Enumeratee } from "../enumeratee.ts";
import { END, isSignal, OperatorRun, type Run, type Step } from "../run.ts";
import { lift } from "./lift.ts";

/**
 * The first `count` elements, and then the end: the source is stopped when the reader asks for one more. `take(0)` pulls
 * nothing.
 *
 * @param count How many, a whole number from 0 to 2^53 - 1.
 * @throws {CometError} `ERR_OPTION` if `count` is out of its range.
 */
export function take<A>(count: number): Enumeratee<A, A> {
  wholeNumber("The count of take", count, 0, Number.MAX_SAFE_INTEGER);
  return (source) => lift(source, (up) => new TakeRun(up, count));
}

class TakeRun<A> extends OperatorRun<A, A> {
  #left: number;

  constructor(up: Run<A>, count: number) {
    super(up);
    this.#left = count;
  }

  poll(): Step<A> {
    if (this.#left === 0) return END;
    const step = this.up.poll();
    if (!isSignal(step)) this.#left -= 1;
    return step;
  }
}

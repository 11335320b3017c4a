import { assertFunction, assertInteger } from "../../core/options.ts";
import type { Enumeratee } from "../enumerator.ts";
import { END, isSignal, OperatorRun, type Run, type Step } from "../run.ts";
import { SKIP } from "../stage-chain.ts";
import { lift } from "./lift.ts";
import { stage } from "./stages.ts";

/**
 * Emits the first `count` elements and ends: the source is stopped when the reader wants one more. `take(0)` pulls
 * nothing. Otherwise it pulls one element for each that is wanted.
 *
 * @param count A whole number from 0 to 2^53 - 1.
 * @throws {CometError} `ERR_OPTION` if `count` is out of its range.
 */
export function take<A>(count: number): Enumeratee<A, A> {
  assertInteger("The count of take", count, 0, Number.MAX_SAFE_INTEGER);
  return (source) => lift(source, (up) => new TakeRun(up, count));
}

/**
 * Emits the elements before the first for which `keep` is false, and ends: the source is stopped, and that element is
 * lost. It pulls one element for each that is wanted.
 *
 * @throws {CometError} `ERR_OPTION` if `keep` is not a function. Its errors reach the reader.
 */
export function takeWhile<A>(keep: (element: A) => boolean): Enumeratee<A, A> {
  assertFunction("The predicate of takeWhile", keep);
  return (source) => lift(source, (up) => new TakeWhileRun(up, keep));
}

/**
 * Drops the first `count` elements. They are pulled when the reader wants the first that is kept.
 *
 * @param count A whole number from 0 to 2^53 - 1.
 * @throws {CometError} `ERR_OPTION` if `count` is out of its range.
 */
export function drop<A>(count: number): Enumeratee<A, A> {
  assertInteger("The count of drop", count, 0, Number.MAX_SAFE_INTEGER);
  return stage(() => {
    let left = count;
    return (element) => {
      if (left === 0) return element;
      left -= 1;
      return SKIP;
    };
  });
}

/**
 * Drops elements while `leave` is true. They are pulled when the reader wants the first that is kept.
 *
 * @throws {CometError} `ERR_OPTION` if `leave` is not a function. Its errors reach the reader.
 */
export function dropWhile<A>(leave: (element: A) => boolean): Enumeratee<A, A> {
  assertFunction("The predicate of dropWhile", leave);
  return stage(() => {
    let leaving = true;
    return (element) => ((leaving &&= leave(element)) ? SKIP : element);
  });
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

class TakeWhileRun<A> extends OperatorRun<A, A> {
  readonly #keep: (element: A) => boolean;

  constructor(up: Run<A>, keep: (element: A) => boolean) {
    super(up);
    this.#keep = keep;
  }

  poll(): Step<A> {
    const step = this.up.poll();
    return isSignal(step) || this.#keep(step) ? step : END;
  }
}

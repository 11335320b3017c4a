import { assertFunction } from "../../core/options.ts";
import { Enumerator, type Enumeratee } from "../enumerator.ts";
import { openRun } from "../open.ts";
import { isSignal, OperatorRun, type Run, type Step } from "../run.ts";
import { SequenceRun } from "../sequence.ts";
import { from } from "../sources/from.ts";

/**
 * Replaces each element by the elements of the source that `f` makes of it, one source after the other: the next
 * element is pulled when the source of the one before has ended. A failure of one of them ends all.
 *
 * @throws {CometError} `ERR_OPTION` if `f` is not a function. Its errors reach the reader.
 */
export function flatMap<A, B>(f: (element: A) => AsyncIterable<B>): Enumeratee<A, B> {
  assertFunction("The function of flatMap", f);
  return (source) => new Enumerator((wake) => new SequenceRun(new SourcesRun(openRun(source, wake), f), wake));
}

/**
 * Replaces each element by the elements of the iterable that `f` makes of it, taken on demand.
 *
 * @throws {CometError} `ERR_OPTION` if `f` is not a function. Its errors reach the reader.
 */
export function mapConcat<A, B>(f: (element: A) => Iterable<B>): Enumeratee<A, B> {
  assertFunction("The function of mapConcat", f);
  return flatMap((element) => from(f(element)));
}

class SourcesRun<A, B> extends OperatorRun<A, AsyncIterable<B>> {
  readonly #f: (element: A) => AsyncIterable<B>;

  constructor(up: Run<A>, f: (element: A) => AsyncIterable<B>) {
    super(up);
    this.#f = f;
  }

  poll(): Step<AsyncIterable<B>> {
    const step = this.up.poll();
    return isSignal(step) ? step : this.#f(step);
  }
}

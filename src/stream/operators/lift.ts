import { Enumerator } from "../enumerator.ts";
import { openRun } from "../open.ts";
import type { Run } from "../run.ts";

/** Applies an operator that never waits by itself. An available element of the source stays available. */
export function lift<A, B>(source: AsyncIterable<A>, operate: (up: Run<A>) => Run<B>): Enumerator<B> {
  const atHand = source instanceof Enumerator && source._atHand;
  return new Enumerator((wake) => operate(openRun(source, wake)), { atHand });
}

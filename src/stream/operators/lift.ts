import { Enumerator } from "../enumerator.ts";
import { openRun } from "../open.ts";
import type { Run } from "../run.ts";

/** An operator that never waits by itself, as a function of sources. What is at hand before it is at hand after it. */
export function lift<A, B>(source: AsyncIterable<A>, operate: (up: Run<A>) => Run<B>): Enumerator<B> {
  const atHand = source instanceof Enumerator && source._atHand;
  return new Enumerator((wake) => operate(openRun(source, wake)), { atHand });
}

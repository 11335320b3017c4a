import { Enumerator, type Enumeratee } from "../enumerator.ts";
import { SequenceRun } from "../sequence.ts";
import { concat } from "../sources/combine.ts";
import { ArrayRun, of } from "../sources/from.ts";

/** Prepends elements to a source, which is opened when they have been taken and another is wanted. */
export function heading<A>(...elements: readonly A[]): Enumeratee<A, A> {
  return (source) => {
    const atHand = elements.length > 0 || (source instanceof Enumerator && source._atHand);
    return new Enumerator((wake) => new SequenceRun(new ArrayRun([of(...elements), source]), wake), { atHand });
  };
}

/**
 * Appends elements to a source after its end, but not after its failure. It pulls one element for each that is wanted.
 */
export function trailing<A>(...elements: readonly A[]): Enumeratee<A, A> {
  return (source) => concat(source, of(...elements));
}

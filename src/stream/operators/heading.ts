import { Enumerator, type Enumeratee } from "../enumerator.ts";
import { SequenceRun } from "../sequence.ts";
import { concat } from "../sources/combine.ts";
import { ArrayRun, of } from "../sources/from.ts";

/** These elements first, then those of the source, which is opened when these have been taken and more is wanted. */
export function heading<A>(...elements: readonly A[]): Enumeratee<A, A> {
  return (source) => {
    const atHand = elements.length > 0 || (source instanceof Enumerator && source._atHand);
    return new Enumerator((wake) => new SequenceRun(new ArrayRun([of(...elements), source]), wake), { atHand });
  };
}

/** The elements of the source, and after its end these; not after its failure. Pulls one element for each that is wanted. */
export function trailing<A>(...elements: readonly A[]): Enumeratee<A, A> {
  return (source) => concat(source, of(...elements));
}

import type { Enumeratee } from "../enumeratee.ts";
import { Enumerator } from "../enumerator.ts";
import { openRun } from "../open.ts";
import type { Open, Run, Step, Wake } from "../run.ts";

/** These elements first, then those of the source, which is opened when these have been taken and more is wanted. */
export function heading<A>(...elements: readonly A[]): Enumeratee<A, A> {
  return (source) => {
    const atHand = elements.length > 0 || (source instanceof Enumerator && source._atHand);
    return new Enumerator((wake) => new HeadingRun(elements, (wake) => openRun(source, wake), wake), atHand);
  };
}

class HeadingRun<A> implements Run<A> {
  readonly #elements: readonly A[];
  readonly #open: Open<A>;
  readonly #wake: Wake;
  #next = 0;
  #up: Run<A> | undefined;

  constructor(elements: readonly A[], open: Open<A>, wake: Wake) {
    this.#elements = elements;
    this.#open = open;
    this.#wake = wake;
  }

  poll(): Step<A> {
    if (this.#next < this.#elements.length) return this.#elements[this.#next++] as A;
    this.#up ??= this.#open(this.#wake);
    return this.#up.poll();
  }

  close(): void | PromiseLike<void> {
    return this.#up?.close();
  }
}

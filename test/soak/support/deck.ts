import type { Random } from "./random.ts";

/** Gives the members of a list in a random order, again and again: all of them come soon. */
export class Deck<T> {
  readonly #all: readonly T[];
  readonly #random: Random;
  #left: T[] = [];

  constructor(all: readonly T[], random: Random) {
    this.#all = all;
    this.#random = random;
  }

  next(): T {
    if (this.#left.length === 0) this.#left = [...this.#all];
    return this.#left.splice(this.#random.whole(0, this.#left.length - 1), 1)[0] as T;
  }
}

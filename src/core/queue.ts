/**
 * A first-in, first-out queue over a ring that doubles when it is full: `push` takes constant time on average, `shift` always. The ring's
 * length MUST stay a power of two, since `& (length - 1)` wraps an index. Only `clear` makes the ring small again.
 */
export class Queue<E> {
  #ring: (E | undefined)[] = new Array<E | undefined>(8).fill(undefined);
  #head = 0;
  #size = 0;

  get size(): number {
    return this.#size;
  }

  push(element: E): void {
    if (this.#size === this.#ring.length) this.#grow();
    this.#ring[(this.#head + this.#size) & (this.#ring.length - 1)] = element;
    this.#size += 1;
  }

  /** Returns the oldest element and keeps it. The queue must not be empty. */
  peek(): E {
    return this.#ring[this.#head] as E;
  }

  /** Removes and returns the oldest element. The queue must not be empty. */
  shift(): E {
    const element = this.#ring[this.#head] as E;
    this.#ring[this.#head] = undefined;
    this.#head = (this.#head + 1) & (this.#ring.length - 1);
    this.#size -= 1;
    return element;
  }

  clear(): void {
    this.#ring = new Array<E | undefined>(8).fill(undefined);
    this.#head = 0;
    this.#size = 0;
  }

  #grow(): void {
    const old = this.#ring;
    const ring = new Array<E | undefined>(old.length * 2).fill(undefined);
    for (let i = 0; i < this.#size; i += 1) ring[i] = old[(this.#head + i) & (old.length - 1)];
    this.#ring = ring;
    this.#head = 0;
  }
}

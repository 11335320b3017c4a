import { placesOf } from "./position.ts";

/** What one topic has: messages that were acknowledged, by their place; and those of which it was said that they are not published. */
export class TopicTruth {
  readonly topic: string;
  /** How many messages were given to any hub, whatever became of them: no more than that can have been published. */
  given = 0;
  readonly failed = new Set<number>();
  #epoch: string | undefined;
  readonly #numbers = new Map<number, number>();
  readonly #offsets = new Map<number, number>();

  constructor(topic: string) {
    this.topic = topic;
  }

  /** How many messages were acknowledged. */
  get size(): number {
    return this.#numbers.size;
  }

  /**
   * Notes that message `n` is at this position.
   *
   * @returns Its offset.
   * @throws {Error} if that contradicts what was acknowledged before.
   */
  acknowledge(n: number, position: string): number {
    const place = placesOf(position).get(this.topic);
    if (place === undefined) throw new Error(`${this.topic}: publishing gave the position ${position}.`);
    const { epoch, offset } = place;
    this.#epoch ??= epoch;
    if (epoch !== this.#epoch) throw new Error(`${this.topic}: the epoch was ${this.#epoch}, and is ${epoch}.`);
    const other = this.#numbers.get(offset);
    if (other !== undefined && other !== n) throw new Error(`${this.topic}: ${n} and ${other} are both at ${offset}.`);
    const elsewhere = this.#offsets.get(n);
    if (elsewhere !== undefined && elsewhere !== offset) {
      throw new Error(`${this.topic}: ${n} is at ${elsewhere} and at ${offset}.`);
    }
    this.#numbers.set(offset, n);
    this.#offsets.set(n, offset);
    return offset;
  }

  /** All that is acknowledged, in its order. */
  sequence(): Sequence {
    const offsets = [...this.#numbers.keys()].sort((a, b) => a - b);
    return { offsets, numbers: offsets.map((offset) => this.#numbers.get(offset) as number) };
  }
}

/** The messages of a topic, in its order: where each is, and which it is. */
export interface Sequence {
  readonly offsets: readonly number[];
  readonly numbers: readonly number[];
}

/** How many messages of a sequence are at an offset or before it. */
export function countUpTo({ offsets }: Sequence, offset: number): number {
  let [low, high] = [0, offsets.length];
  while (low < high) {
    const middle = (low + high) >> 1;
    if ((offsets[middle] as number) <= offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

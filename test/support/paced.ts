import fc from "fast-check";

/** How long a source lets its reader wait before an element: not at all, some microtasks, or a turn of the event loop. */
export type Pace = 0 | 1 | 2;

export async function wait(pace: Pace): Promise<void> {
  if (pace === 1) for (let i = 0; i < 3; i += 1) await Promise.resolve();
  if (pace === 2) await new Promise((resolve) => setImmediate(resolve));
}

/** A source that waits as it is told, may fail at its end, and notes what is done to it. */
export class PacedSource<E> implements AsyncIterable<E> {
  readonly elements: readonly E[];
  readonly #paces: readonly Pace[];
  readonly #failure: { readonly error: unknown } | undefined;
  opened = 0;
  /** Elements asked for, the end included. */
  pulled = 0;
  returned = 0;
  /** How often it ended or failed by itself. */
  finished = 0;
  /** Asked for something after it was over, or before it had answered. */
  faults: string[] = [];

  constructor(elements: readonly E[], paces: readonly Pace[], failure?: { readonly error: unknown }) {
    this.elements = elements;
    this.#paces = paces;
    this.#failure = failure;
  }

  /** The same, with nothing done to it yet. */
  fresh(): PacedSource<E> {
    return new PacedSource(this.elements, this.#paces, this.#failure);
  }

  [Symbol.asyncIterator](): AsyncIterator<E> {
    this.opened += 1;
    let next = 0;
    let over = false;
    let asked = false;
    return {
      next: async () => {
        if (over) this.faults.push("pulled after it was over");
        if (asked) this.faults.push("pulled before it had answered");
        asked = true;
        this.pulled += 1;
        const at = next++;
        await wait(this.#paces[at % Math.max(1, this.#paces.length)] ?? 0);
        asked = false;
        if (at < this.elements.length) return { done: false, value: this.elements[at] as E };
        over = true;
        this.finished += 1;
        if (this.#failure !== undefined) throw this.#failure.error;
        return { done: true, value: undefined };
      },
      return: () => {
        over = true;
        this.returned += 1;
        if (this.returned > this.opened) this.faults.push("returned more than once");
        return Promise.resolve({ done: true, value: undefined });
      },
    };
  }
}

/** A property whose sources are fresh for every attempt: fast-check gives the same again when it shrinks. */
export function law<T extends [unknown, ...unknown[]]>(
  arbitraries: { [I in keyof T]: fc.Arbitrary<T[I]> },
  predicate: (...values: T) => Promise<void>,
): fc.IAsyncProperty<T> {
  return fc.asyncProperty<T>(...arbitraries, (...values) => predicate(...(values.map(fresh) as T)));
}

function fresh(value: unknown): unknown {
  if (value instanceof PacedSource) return value.fresh();
  return Array.isArray(value) ? value.map(fresh) : value;
}

const pace = fc.constantFrom<Pace>(0, 0, 1, 2);

/** Sources of small numbers that wait at random. */
export const pacedNumbers: fc.Arbitrary<PacedSource<number>> = fc
  .tuple(fc.array(fc.integer({ min: -9, max: 9 }), { maxLength: 20 }), fc.array(pace, { maxLength: 8 }))
  .map(([elements, paces]) => new PacedSource(elements, paces));

/** The same, failing at their end. */
export const failingNumbers: fc.Arbitrary<PacedSource<number>> = fc
  .tuple(fc.array(fc.integer({ min: -9, max: 9 }), { maxLength: 20 }), fc.array(pace, { maxLength: 8 }))
  .map(([elements, paces]) => new PacedSource(elements, paces, { error: new Error("the source failed") }));

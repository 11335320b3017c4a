import { Enumerator } from "./enumerator.ts";
import { openRun } from "./open.ts";
import { isSignal, type Run, type Step, type Wake } from "./run.ts";

/** A source whose first element is known already, and the source to read instead of it. */
export interface Peeked<E> {
  /** `undefined` if the source is empty, or failed; then reading `rest` says so. */
  readonly first: E | undefined;
  readonly rest: AsyncIterable<E>;
}

/**
 * Looks at the first element of a source that has it at hand: see `Enumerator._atHand`. The run it begins is the one that
 * the first reader of `rest` goes on with. `undefined` for any other source, which is left alone.
 */
export function peek<E>(source: AsyncIterable<E>): Peeked<E> | undefined {
  if (!(source instanceof Enumerator) || !source._atHand) return undefined;
  let wake: Wake = () => undefined;
  const begun = new PeekedRun(openRun(source as Enumerator<E>, () => wake()));
  let open: Run<E> | undefined = begun;
  const rest = new Enumerator<E>((reader) => {
    if (open === undefined) return openRun(source as Enumerator<E>, reader);
    open = undefined;
    wake = reader;
    return begun;
  });
  return { first: begun.first, rest };
}

class PeekedRun<E> implements Run<E> {
  readonly #run: Run<E>;
  #next: (() => Step<E>) | undefined;
  readonly first: E | undefined;

  constructor(run: Run<E>) {
    this.#run = run;
    try {
      const step = run.poll();
      this.#next = () => step;
      this.first = isSignal(step) ? undefined : step;
    } catch (error) {
      this.#next = () => {
        throw error;
      };
    }
  }

  poll(): Step<E> {
    const next = this.#next;
    if (next === undefined) return this.#run.poll();
    this.#next = undefined;
    return next();
  }

  close(): void | PromiseLike<void> {
    return this.#run.close();
  }
}

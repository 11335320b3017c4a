import { Enumerator } from "./enumerator.ts";
import { openRun } from "./open.ts";
import { isSignal, type Run, type Step, type Wake } from "./run.ts";

/** The first element of a source, and the source to read instead of it. */
export interface Peeked<E> {
  /** `undefined` if the source is empty or failed; reading `rest` then ends or fails. */
  readonly first: E | undefined;
  readonly rest: AsyncIterable<E>;
}

/**
 * Peeks at the first element of a source, if it is available: see `Enumerator._atHand`. The first reader of `rest`
 * continues the run that this begins. It returns `undefined` for any other source, and does not open it.
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

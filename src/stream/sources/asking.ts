import { AskingRun } from "../asking.ts";
import { Enumerator } from "../enumerator.ts";
import type { END } from "../run.ts";

/** How one run asks a function of the application's, which is told when the reader leaves. */
export interface AskingFunction<T, E> {
  readonly ask: (signal: AbortSignal) => PromiseLike<T>;
  readonly read: (answer: T) => E | typeof END;
}

/** A source that asks for every element by a function that may wait, begun anew for each run. */
export function asking<T, E>(begin: () => AskingFunction<T, E>): Enumerator<E> {
  return new Enumerator((wake) => {
    const { ask, read } = begin();
    const abort = new AbortController();
    return new AskingRun({ ask: () => ask(abort.signal), read, stop: () => abort.abort() }, wake);
  });
}

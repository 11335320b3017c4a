import { AskingRun } from "../asking.ts";
import { Enumerator } from "../enumerator.ts";
import type { END } from "../run.ts";

/** The requests of one run to the application's function. The signal aborts when the reader stops. */
export interface AskingFunction<T, E> {
  readonly ask: (signal: AbortSignal) => PromiseLike<T>;
  readonly read: (answer: T) => E | typeof END;
}

/** Creates a source that requests each element from an asynchronous function, which `begin` makes for each run. */
export function asking<T, E>(begin: () => AskingFunction<T, E>): Enumerator<E> {
  return new Enumerator((wake) => {
    const { ask, read } = begin();
    const abort = new AbortController();
    return new AskingRun({ ask: () => ask(abort.signal), read, stop: () => abort.abort() }, wake);
  });
}

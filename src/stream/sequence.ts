import { closeAll } from "./close.ts";
import { opener } from "./open.ts";
import { END, isSignal, WAIT, type Run, type Step, type Wake } from "./run.ts";

/**
 * Runs one source after another, on demand: the basis of `concat` and `flatMap`. Each source is closed, and has cleaned
 * up, before the next one is requested.
 */
export class SequenceRun<E> implements Run<E> {
  readonly #sources: Run<AsyncIterable<E>>;
  readonly #wake: Wake;
  readonly #open = opener();
  #inner: Run<E> | undefined;
  /** The asynchronous clean-up of the source before. */
  #closing: PromiseLike<void> | undefined;
  #failure: { readonly error: unknown } | undefined;

  constructor(sources: Run<AsyncIterable<E>>, wake: Wake) {
    this.#sources = sources;
    this.#wake = wake;
  }

  poll(): Step<E> {
    for (;;) {
      if (this.#failure !== undefined) throw this.#failure.error;
      if (this.#closing !== undefined) return WAIT;
      if (this.#inner === undefined) {
        const source = this.#sources.poll();
        if (isSignal(source)) return source;
        this.#inner = this.#open(source, this.#wake);
      }
      const step = this.#inner.poll();
      if (step !== END) return step;
      this.#finish(this.#inner);
    }
  }

  close(): void | PromiseLike<void> {
    const inner = this.#inner ?? { poll: () => END, close: () => this.#closing };
    return closeAll([inner, this.#sources]);
  }

  #finish(inner: Run<E>): void {
    this.#inner = undefined;
    const closing = inner.close();
    if (closing === undefined) return;
    this.#closing = closing;
    closing.then(
      () => this.#closed(undefined),
      (error: unknown) => this.#closed({ error }),
    );
  }

  #closed(failure: { readonly error: unknown } | undefined): void {
    this.#closing = undefined;
    this.#failure = failure;
    this.#wake();
  }
}

import { isPromiseLike } from "../core/promise.ts";
import type { Fold, Iteratee } from "./iteratee.ts";
import { Pump, type Consumer } from "./pump.ts";

/** Runs a consumer on a source, and resolves to its result. */
export function runIteratee<E, R>(
  source: AsyncIterable<E>,
  iteratee: Iteratee<E, R>,
  signal: AbortSignal | undefined,
): Promise<R> {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    new IterateeRun(source, iteratee.start(), signal, resolve, reject).begin();
  });
}

class IterateeRun<E, R> implements Consumer<E> {
  readonly #pump: Pump<E>;
  readonly #fold: Fold<E, R>;
  readonly #signal: AbortSignal | undefined;
  readonly #resolve: (result: R | PromiseLike<R>) => void;
  readonly #reject: (error: unknown) => void;
  #settled = false;

  constructor(
    source: AsyncIterable<E>,
    fold: Fold<E, R>,
    signal: AbortSignal | undefined,
    resolve: (result: R | PromiseLike<R>) => void,
    reject: (error: unknown) => void,
  ) {
    this.#pump = new Pump(source, this);
    this.#fold = fold;
    this.#signal = signal;
    this.#resolve = resolve;
    this.#reject = reject;
  }

  begin(): void {
    this.#signal?.addEventListener("abort", this.#onAbort);
    this.#continue();
  }

  take(element: E): boolean {
    const wait = this.#fold.take(element);
    if (isPromiseLike(wait)) {
      wait.then(
        () => this.#continue(),
        (error: unknown) => this.#abort(error),
      );
      return false;
    }
    if (!this.#fold.done) return true;
    this.#stopAndEnd();
    return false;
  }

  end(): void {
    if (!this.#settle()) return;
    try {
      this.#resolve(this.#fold.finish());
    } catch (error) {
      this.#reject(error);
    }
  }

  fail(error: unknown): void {
    if (!this.#settle()) return;
    this.#reject(error);
    this.#fold.close?.();
  }

  readonly #onAbort = (): void => this.#abort(this.#signal?.reason);

  #continue(): void {
    if (this.#settled) return;
    if (this.#fold.done) this.#stopAndEnd();
    else this.#pump.resume();
  }

  /** Stops the source. The result waits for its clean-up; a failure of that fails the run. */
  #stopAndEnd(): void {
    this.#pump.stop().then(
      () => this.end(),
      (error: unknown) => this.fail(error),
    );
  }

  /** Fails the run. The first error counts: an error of the clean-up is dropped. */
  #abort(error: unknown): void {
    this.#pump.stop().catch(() => undefined);
    this.fail(error);
  }

  #settle(): boolean {
    if (this.#settled) return false;
    this.#settled = true;
    this.#signal?.removeEventListener("abort", this.#onAbort);
    return true;
  }
}

import { isPromiseLike } from "../core/promise.ts";
import type { Fold, Iteratee } from "./iteratee.ts";
import { Pump, type Consumer } from "./pump.ts";

/** Runs a consumer on a source. */
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
    this.#goOn();
  }

  take(element: E): boolean {
    const wait = this.#fold.take(element);
    if (isPromiseLike(wait)) {
      wait.then(
        () => this.#goOn(),
        (error: unknown) => this.#giveUp(error),
      );
      return false;
    }
    if (!this.#fold.done) return true;
    this.#enough();
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

  readonly #onAbort = (): void => this.#giveUp(this.#signal?.reason);

  #goOn(): void {
    if (this.#settled) return;
    if (this.#fold.done) this.#enough();
    else this.#pump.resume();
  }

  /** The result waits for the source's clean-up, and is its error if that fails. */
  #enough(): void {
    this.#pump.stop().then(
      () => this.end(),
      (error: unknown) => this.fail(error),
    );
  }

  /** The first error counts: how the clean-up goes is not told. */
  #giveUp(error: unknown): void {
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

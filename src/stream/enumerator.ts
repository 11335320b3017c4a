import type { Iteratee } from "./iteratee.ts";
import type { StageChain } from "./stage-chain.ts";
import { Pump, type Consumer } from "./pump.ts";
import { readableStream, type ReadableStreamOptions } from "./readable-stream.ts";
import { runIteratee } from "./run-iteratee.ts";
import type { Open, Run, Wake } from "./run.ts";

/**
 * A source of elements: a lazy `AsyncIterable`, so that `for await` reads it.
 *
 * It does nothing until it is read, and each reader gets a run of its own. A reader that stops (`break`, `return()`)
 * stops the source of its run: `finally` blocks run, and timers and subscriptions end. An error in the source reaches
 * the reader.
 *
 * Create it with the functions of the same name: `Enumerator.of`, `Enumerator.from`, `Enumerator.unicast` ...
 */
export class Enumerator<E> implements AsyncIterable<E> {
  readonly #open: Open<E>;

  /**
   * Whether the first element, or the end, is available without waiting and without side effects: a list in memory,
   * also through operators that do not wait. A run of it may begin early, and be dropped unread.
   * @internal
   */
  readonly _atHand: boolean;

  /**
   * The last stages of this source, for the next stage to join them.
   * @internal
   */
  readonly _stages: StageChain | undefined;

  /** @internal */
  constructor(open: Open<E>, known: { readonly atHand?: boolean; readonly stages?: StageChain } = {}) {
    this.#open = open;
    this._atHand = known.atHand ?? false;
    this._stages = known.stages;
  }

  /** Applies an adapter to this source: `events.through(Enumeratee.map(f))`. Play's `&>`. */
  through<B>(enumeratee: Enumeratee<E, B>): Enumerator<B> {
    return enumeratee(this);
  }

  /**
   * Runs a consumer on this source, and resolves to its result. The source is stopped as soon as the consumer is done.
   *
   * @param options.signal When it aborts, the source is stopped and the promise rejects with the signal's reason.
   * @returns A promise that rejects with the error of the source, of its clean-up or of the consumer.
   */
  run<R>(iteratee: Iteratee<E, R>, options: { readonly signal?: AbortSignal } = {}): Promise<R> {
    return runIteratee(this, iteratee, options.signal);
  }

  /**
   * Returns a run of this source as a `ReadableStream`. It opens the source when the stream is first read. Cancelling
   * the stream stops the source; a failure of the source errors the stream.
   *
   * @param options.highWaterMark The number of elements that are pulled ahead of the stream's reader. @default 0
   * @param options.signal When it aborts, the source is stopped and the stream errors with the signal's reason.
   */
  toReadableStream(options: ReadableStreamOptions = {}): ReadableStream<E> {
    return readableStream(this, options);
  }

  /**
   * Starts a run at the first `next()`. Concurrent calls of `next()` are answered in order. After `return()`, or at the
   * end of `await using`, nothing more is pulled; it resolves when the source has cleaned up.
   */
  [Symbol.asyncIterator](): AsyncIteratorObject<E, undefined> {
    return new PumpIterator(this) as AsyncIterator<E, undefined> as AsyncIteratorObject<E, undefined>;
  }

  /** @internal */
  _openRun(wake: Wake): Run<E> {
    return this.#open(wake);
  }
}

/**
 * An adapter: a function that turns any `AsyncIterable` of `A` into an {@link Enumerator} of `B`.
 *
 * It does nothing until the result is read. Elements are pulled through it one at a time, on demand of the reader. A
 * reader that stops stops the source. An error in the source or in the adapter reaches the reader, and the source is
 * stopped.
 *
 * Create it with the functions of the same name: `Enumeratee.map`, `Enumeratee.filter`, `Enumeratee.compose` ...
 */
export type Enumeratee<A, B> = (source: AsyncIterable<A>) => Enumerator<B>;

/** `Symbol.asyncDispose`. The web's types and some runtimes do not have it yet. */
const asyncDispose: symbol = (Symbol as { asyncDispose?: symbol }).asyncDispose ?? Symbol("asyncDispose");

interface Request<E> {
  readonly resolve: (result: IteratorResult<E, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

class PumpIterator<E> implements AsyncIterableIterator<E, undefined>, Consumer<E> {
  readonly #pump: Pump<E>;
  readonly #requests: Request<E>[] = [];
  #finished = false;
  /** Whether the pump runs for a request: an available element answers it without a promise that settles later. */
  #asking = false;
  #answer: Promise<IteratorResult<E, undefined>> | undefined;

  constructor(source: Enumerator<E>) {
    this.#pump = new Pump(source, this);
  }

  [Symbol.asyncIterator](): this {
    return this;
  }

  next(): Promise<IteratorResult<E, undefined>> {
    if (this.#finished) return Promise.resolve({ done: true, value: undefined });
    if (this.#requests.length > 0 || this.#asking) {
      return new Promise((resolve, reject) => {
        this.#requests.push({ resolve, reject });
        this.#pump.resume();
      });
    }
    this.#asking = true;
    this.#pump.resume();
    this.#asking = false;
    const answer = this.#answer;
    if (answer !== undefined) {
      this.#answer = undefined;
      return answer;
    }
    // First in line: requests from inside the poll came later.
    return new Promise((resolve, reject) => this.#requests.unshift({ resolve, reject }));
  }

  async return(): Promise<IteratorResult<E, undefined>> {
    this.end();
    await this.#pump.stop();
    return { done: true, value: undefined };
  }

  async [asyncDispose](): Promise<void> {
    await this.return();
  }

  take(element: E): boolean {
    if (this.#asking) {
      this.#asking = false;
      this.#answer = Promise.resolve({ done: false, value: element });
    } else this.#requests.shift()?.resolve({ done: false, value: element });
    return this.#requests.length > 0;
  }

  end(): void {
    this.#finished = true;
    if (this.#asking) {
      this.#asking = false;
      this.#answer = Promise.resolve({ done: true, value: undefined });
    }
    for (const request of this.#requests.splice(0)) request.resolve({ done: true, value: undefined });
  }

  fail(error: unknown): void {
    if (this.#asking) {
      this.#asking = false;
      this.#answer = Promise.reject(error);
    } else this.#requests.shift()?.reject(error);
    this.end();
  }
}

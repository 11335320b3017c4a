import type { Iteratee } from "./iteratee.ts";
import type { StageChain } from "./stage-chain.ts";
import { Pump, type Consumer } from "./pump.ts";
import { readableStream, type ReadableStreamOptions } from "./readable-stream.ts";
import { runIteratee } from "./run-iteratee.ts";
import type { Open, Run, Wake } from "./run.ts";

/**
 * A source of elements: lazy, and an `AsyncIterable`, so that `for await` reads it. Nothing happens until somebody
 * does, each reader gets a run of its own, and a reader who leaves (`break`, `return()`) stops that run's source:
 * its `finally` blocks run, and its timers and subscriptions end. An error in the source reaches the reader.
 *
 * Made by the functions beside this type: `Enumerator.of`, `Enumerator.from`, `Enumerator.unicast` ...
 */
export class Enumerator<E> implements AsyncIterable<E> {
  readonly #open: Open<E>;

  /**
   * Whether the first element, or the end, is there without waiting and without a trace: a list in memory, seen through
   * operators that do not wait. A run of it may be begun early, and be dropped unread.
   * @internal
   */
  readonly _atHand: boolean;

  /**
   * The stages that this source ends in, for the next one to be joined to them.
   * @internal
   */
  readonly _stages: StageChain | undefined;

  /** @internal */
  constructor(open: Open<E>, known: { readonly atHand?: boolean; readonly stages?: StageChain } = {}) {
    this.#open = open;
    this._atHand = known.atHand ?? false;
    this._stages = known.stages;
  }

  /** This source seen through an adapter: `events.through(Enumeratee.map(f))`. Play's `&>`. */
  through<B>(enumeratee: Enumeratee<E, B>): Enumerator<B> {
    return enumeratee(this);
  }

  /**
   * Runs a consumer on this source, and resolves to its result. The source is stopped as soon as the consumer has enough.
   *
   * @param options.signal When it aborts, the source is stopped and the promise rejects with the signal's reason.
   * @returns Rejects with the error of the source, of its clean-up or of the consumer.
   */
  run<R>(iteratee: Iteratee<E, R>, options: { readonly signal?: AbortSignal } = {}): Promise<R> {
    return runIteratee(this, iteratee, options.signal);
  }

  /**
   * A run of this source as a `ReadableStream`, which is opened when the stream is first read. Cancelling the stream stops
   * the source; the source's failure is the stream's.
   *
   * @param options.highWaterMark How many elements are pulled ahead of the stream's reader: 0 by default, none.
   * @param options.signal When it aborts, the source is stopped and the stream fails with the signal's reason.
   */
  toReadableStream(options: ReadableStreamOptions = {}): ReadableStream<E> {
    return readableStream(this, options);
  }

  /**
   * Starts a run at the first `next()`. Several `next()` may be asked for at once; they are answered in order. After
   * `return()`, or `await using`, nothing more is pulled; it resolves when the source has cleaned up.
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
 * An adapter: turns a source of `A` into an {@link Enumerator} of `B`. It is a plain function that takes any
 * `AsyncIterable`, and it does nothing until the result is read. Elements are pulled through it one at a time, as the
 * reader wants them; a reader who stops, stops the source; an error in the source or in the adapter reaches the reader,
 * and the source is stopped.
 *
 * Made by the functions beside this type: `Enumeratee.map`, `Enumeratee.filter`, `Enumeratee.compose` ...
 */
export type Enumeratee<A, B> = (source: AsyncIterable<A>) => Enumerator<B>;

/** `Symbol.asyncDispose`, which the web's types do not have yet and some runtimes neither. */
const asyncDispose: symbol = (Symbol as { asyncDispose?: symbol }).asyncDispose ?? Symbol("asyncDispose");

interface Request<E> {
  readonly resolve: (result: IteratorResult<E, undefined>) => void;
  readonly reject: (error: unknown) => void;
}

class PumpIterator<E> implements AsyncIterableIterator<E, undefined>, Consumer<E> {
  readonly #pump: Pump<E>;
  readonly #requests: Request<E>[] = [];
  #finished = false;
  /** While the pump is run for a request: what is at hand answers it with no promise to be settled later. */
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
    // First in line: whoever asked from inside the poll came later.
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

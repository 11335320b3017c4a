import { opener } from "./open.ts";
import { END, WAIT, type Run } from "./run.ts";

/**
 * The receiver of a {@link Pump}. Exactly one of `end` and `fail` is called, once, unless the pump is stopped first.
 */
export interface Consumer<E> {
  /**
   * Takes one element.
   * @returns Whether it wants the next one now. A throw stops the source, and is passed to `fail`.
   */
  take(element: E): boolean;
  end(): void;
  fail(error: unknown): void;
}

/**
 * Moves elements from a source to a consumer, as fast as both allow: the loop of `for await`, `ReadableStream` and Node
 * responses.
 *
 * It opens the source at the first `resume`, never polls without demand, and closes the run exactly once, whether the
 * source ends, fails or is stopped. Every consumer relies on these three rules.
 */
export class Pump<E> {
  readonly #source: AsyncIterable<E>;
  readonly #consumer: Consumer<E>;
  readonly #open = opener();
  #run: Run<E> | undefined;
  #wanted = false;
  #polling = false;
  #woken = false;
  #done = false;
  #stopped: ((outcome: void | PromiseLike<void>) => void) | undefined;

  constructor(source: AsyncIterable<E>, consumer: Consumer<E>) {
    this.#source = source;
    this.#consumer = consumer;
  }

  /** Delivers elements until the consumer's `take` returns false. */
  resume(): void {
    this.#wanted = true;
    this.#loop();
  }

  /**
   * Stops the source: it delivers nothing more, and calls neither `end` nor `fail`. It resolves once the source has
   * cleaned up, and rejects with the error of the clean-up.
   */
  stop(): Promise<void> {
    if (this.#done) return Promise.resolve();
    this.#done = true;
    // A run cannot be closed inside of its own poll: the loop closes it afterwards.
    if (this.#polling) return new Promise((resolve) => (this.#stopped = resolve)).then(() => this.#close());
    return new Promise((resolve) => resolve(this.#close()));
  }

  #close(): void | PromiseLike<void> {
    const run = this.#run;
    this.#run = undefined;
    return run?.close();
  }

  #loop(): void {
    if (this.#polling) {
      this.#woken = true;
      return;
    }
    if (this.#done || !this.#wanted) return;
    this.#polling = true;
    let ended = false;
    try {
      this.#run ??= this.#open(this.#source, () => this.#loop());
      ended = this.#drain(this.#run);
    } catch (error) {
      this.#polling = false;
      this.#fail(error);
      return;
    }
    this.#polling = false;
    if (this.#stopped !== undefined) this.#stopped();
    else if (ended) this.#end();
  }

  /** Delivers available elements while the consumer wants them. @returns Whether the source has ended. */
  #drain(run: Run<E>): boolean {
    while (this.#wanting()) {
      this.#woken = false;
      const step = run.poll();
      if (step === END) return true;
      if (step === WAIT) {
        if (this.#wokenMeanwhile()) continue;
        return false;
      }
      if (this.#wanting()) this.#wanted = this.#consumer.take(step);
    }
    return false;
  }

  /**
   * Whether a wake came from inside the poll, as when the user's function pushes to a channel: then the loop polls
   * again.
   */
  #wokenMeanwhile(): boolean {
    return this.#woken;
  }

  /** Read again after each `take`, which may call `resume` or `stop`. */
  #wanting(): boolean {
    return this.#wanted && !this.#done;
  }

  #end(): void {
    this.#done = true;
    let closing: void | PromiseLike<void>;
    try {
      closing = this.#close();
    } catch (error) {
      this.#consumer.fail(error);
      return;
    }
    if (closing === undefined) this.#consumer.end();
    else
      void closing.then(
        () => this.#consumer.end(),
        (error: unknown) => this.#consumer.fail(error),
      );
  }

  /** Passes the failure on at once. An error of the clean-up after it is dropped: the first error counts. */
  #fail(error: unknown): void {
    const stopped = this.#stopped;
    if (this.#done && stopped !== undefined) {
      stopped();
      return;
    }
    this.#done = true;
    try {
      void this.#close()?.then(undefined, () => undefined);
    } catch {
      // As above.
    }
    this.#consumer.fail(error);
  }
}

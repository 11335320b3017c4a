import { opener } from "./open.ts";
import { END, WAIT, type Run } from "./run.ts";

/** What a {@link Pump} delivers to. Exactly one of `end` and `fail` is called, once, unless the pump is stopped first. */
export interface Consumer<E> {
  /** Takes one element, and answers whether it wants the next one now. A throw stops the source and comes back as `fail`. */
  take(element: E): boolean;
  end(): void;
  fail(error: unknown): void;
}

/**
 * Moves elements from a source to a consumer, as fast as both allow: the one loop beneath `for await`, a
 * `ReadableStream` and a Node response. Opens the source at the first `resume`, never polls without demand, and closes
 * what it opened exactly once, whether the source ends, fails or is stopped.
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

  /** The consumer wants elements, until its `take` says otherwise. */
  resume(): void {
    this.#wanted = true;
    this.#loop();
  }

  /**
   * The consumer leaves: nothing more is taken, and neither `end` nor `fail` will be called. Resolves once the source
   * has cleaned up, rejects with what went wrong there.
   */
  stop(): Promise<void> {
    if (this.#done) return Promise.resolve();
    this.#done = true;
    // Inside a poll the run cannot be closed yet: the loop does it on its way out.
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

  /** Takes all that is at hand and wanted; true once the source has ended. */
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

  /** A wake that came from inside the poll could not poll again: a function of the user's pushed to a channel, say. */
  #wokenMeanwhile(): boolean {
    return this.#woken;
  }

  /** A consumer's `take` may call `resume` or `stop` from within. */
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

  /** The failure is told at once; how the clean-up went on top of it is not: the first error is the one that counts. */
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

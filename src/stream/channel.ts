import { CometError } from "../core/errors.ts";
import { Queue } from "../core/queue.ts";
import { END, WAIT, type Run, type Step, type Wake } from "./run.ts";

/** The imperative end of a source: what is pushed here comes out there, in order. */
export interface Channel<E> {
  /**
   * Sends an element.
   *
   * @returns Whether it was taken. It is not once the reader has stopped, or the source has failed by overflow.
   * @throws {CometError} `ERR_CHANNEL_ENDED` after `end` or `fail`.
   */
  push(element: E): boolean;

  /** Ends the source, after the elements pushed so far. @throws {CometError} `ERR_CHANNEL_ENDED` after `end` or `fail`. */
  end(): void;

  /** Fails the source, after the elements pushed so far. @throws {CometError} `ERR_CHANNEL_ENDED` after `end` or `fail`. */
  fail(error: unknown): void;

  /**
   * Resolves once the reader has taken all that was pushed: at once if it has, and also when it has stopped. A producer
   * that can wait awaits this between its pushes, and so goes at the reader's pace. Never rejects.
   */
  ready(): Promise<void>;
}

/** Both ends of a channel: the channel to its producer, a run to its consumer. */
export class ChannelRun<E> implements Channel<E>, Run<E> {
  readonly #wake: Wake;
  readonly #capacity: number;
  readonly #elements: Queue<E> = new Queue();
  #outcome: { readonly error?: unknown } | undefined;
  /** Whether the producer has said that there is nothing more. */
  #ended = false;
  #overflowed = false;
  #closed = false;
  #ready: (() => void)[] = [];

  constructor(capacity: number, wake: Wake) {
    this.#capacity = capacity;
    this.#wake = wake;
  }

  push(element: E): boolean {
    this.#assertOpen("push");
    if (this.#closed || this.#overflowed) return false;
    if (this.#elements.size >= this.#capacity) {
      this.#overflow();
      return false;
    }
    this.#elements.push(element);
    this.#wake();
    return true;
  }

  end(): void {
    this.#finish("end", {});
  }

  fail(error: unknown): void {
    this.#finish("fail", { error });
  }

  ready(): Promise<void> {
    if (this.#closed || this.#elements.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#ready.push(resolve));
  }

  poll(): Step<E> {
    if (this.#elements.size > 0) {
      const element = this.#elements.shift();
      if (this.#elements.size === 0) this.#release();
      return element;
    }
    if (this.#outcome === undefined) return WAIT;
    if ("error" in this.#outcome) throw this.#outcome.error;
    return END;
  }

  close(): void {
    this.#closed = true;
    this.#elements.clear();
    this.#release();
  }

  #finish(what: string, outcome: { readonly error?: unknown }): void {
    this.#assertOpen(what);
    this.#ended = true;
    if (this.#closed || this.#overflowed) return;
    this.#outcome = outcome;
    this.#wake();
  }

  #overflow(): void {
    this.#overflowed = true;
    const message = `The reader is more than ${this.#capacity} elements behind. Raise the capacity, or await channel.ready().`;
    this.#outcome = { error: new CometError("ERR_OVERFLOW", message) };
    this.#wake();
  }

  #release(): void {
    for (const resolve of this.#ready.splice(0)) resolve();
  }

  #assertOpen(what: string): void {
    if (!this.#ended) return;
    throw new CometError("ERR_CHANNEL_ENDED", `channel.${what}() was called after the channel's end() or fail().`);
  }
}

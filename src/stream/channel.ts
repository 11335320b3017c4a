import { CometError } from "../core/errors.ts";
import { BoundedQueue, type Bound } from "./bounded-queue.ts";
import { END, WAIT, type Run, type Step, type Wake } from "./run.ts";

/** The imperative end of a source, which emits the pushed elements in order. */
export interface Channel<E> {
  /**
   * Sends an element.
   *
   * @returns Whether a reader can still receive it: false once the reader has stopped or failed by overflow.
   * @throws {CometError} `ERR_CHANNEL_ENDED` after `end` or `fail`.
   */
  push(element: E): boolean;

  /**
   * Ends the source, after the elements pushed so far.
   * @throws {CometError} `ERR_CHANNEL_ENDED` after `end` or `fail`.
   */
  end(): void;

  /**
   * Fails the source, after the elements pushed so far.
   * @throws {CometError} `ERR_CHANNEL_ENDED` after `end` or `fail`.
   */
  fail(error: unknown): void;
}

/** A channel with one reader, with backpressure for the producer. */
export interface UnicastChannel<E> extends Channel<E> {
  /**
   * Resolves once the reader has taken all pushed elements, or has stopped. Await it between pushes to apply the
   * reader's backpressure to the producer. It never rejects.
   */
  ready(): Promise<void>;
}

/** The outcome of a channel: a failure if it has an `error`, otherwise the end. */
export interface ChannelOutcome {
  readonly error?: unknown;
}

/** Checks that a channel may still be used. @throws {CometError} `ERR_CHANNEL_ENDED` if it has an outcome. */
export function assertOpen(what: "push" | "end" | "fail", outcome: ChannelOutcome | undefined): void {
  if (outcome === undefined) return;
  throw new CometError("ERR_CHANNEL_ENDED", `channel.${what}() was called after the channel's end() or fail().`);
}

/** The reader's end of a channel: a bounded queue, followed by the outcome. */
export class ChannelRun<E> implements Run<E> {
  readonly #wake: Wake;
  readonly #elements: BoundedQueue<E>;
  #outcome: ChannelOutcome | undefined;
  #closed = false;
  #drained: (() => void)[] = [];

  constructor(bound: Bound<E>, wake: Wake) {
    this.#elements = new BoundedQueue(bound);
    this.#wake = wake;
  }

  /** Whether the reader can still receive elements. */
  get open(): boolean {
    return !this.#closed && this.#outcome === undefined;
  }

  give(element: E): boolean {
    if (!this.open) return false;
    try {
      this.#elements.offer(element);
    } catch (error) {
      this.finish({ error });
      return false;
    }
    this.#wake();
    return true;
  }

  finish(outcome: ChannelOutcome): void {
    if (!this.open) return;
    this.#outcome = outcome;
    this.#wake();
  }

  /** Resolves when the queue is empty. */
  drained(): Promise<void> {
    if (this.#closed || this.#elements.size === 0) return Promise.resolve();
    return new Promise((resolve) => this.#drained.push(resolve));
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

  #release(): void {
    for (const resolve of this.#drained.splice(0)) resolve();
  }
}

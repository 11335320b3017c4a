import { CometError } from "../core/errors.ts";
import { BoundedQueue, type Bound } from "./bounded-queue.ts";
import { END, WAIT, type Run, type Step, type Wake } from "./run.ts";

/** The imperative end of a source: what is pushed here comes out there, in order. */
export interface Channel<E> {
  /**
   * Sends an element.
   *
   * @returns Whether anybody can still get it: not once the reader has stopped, or has failed by overflow.
   * @throws {CometError} `ERR_CHANNEL_ENDED` after `end` or `fail`.
   */
  push(element: E): boolean;

  /** Ends the source, after the elements pushed so far. @throws {CometError} `ERR_CHANNEL_ENDED` after `end` or `fail`. */
  end(): void;

  /** Fails the source, after the elements pushed so far. @throws {CometError} `ERR_CHANNEL_ENDED` after `end` or `fail`. */
  fail(error: unknown): void;
}

/** A channel with one reader, whose pace the producer can follow. */
export interface UnicastChannel<E> extends Channel<E> {
  /**
   * Resolves once the reader has taken all that was pushed: at once if it has, and also when it has stopped. A producer
   * that can wait awaits this between its pushes, and so goes at the reader's pace. Never rejects.
   */
  ready(): Promise<void>;
}

/** How a channel was ended: without an `error`, well. */
export interface ChannelOutcome {
  readonly error?: unknown;
}

/** What every channel refuses. @throws {CometError} `ERR_CHANNEL_ENDED` if there is an outcome already. */
export function assertOpen(what: "push" | "end" | "fail", outcome: ChannelOutcome | undefined): void {
  if (outcome === undefined) return;
  throw new CometError("ERR_CHANNEL_ENDED", `channel.${what}() was called after the channel's end() or fail().`);
}

/** The reader's end of a channel: a bounded queue, and after it the outcome. */
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

  /** Whether the reader will get what is given now. */
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

  /** Resolves when nothing waits any more. */
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

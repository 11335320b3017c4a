import { CometError, describe } from "../../core/errors.ts";
import { isPromiseLike } from "../../core/promise.ts";
import { openRun } from "../../stream/open.ts";
import { END, WAIT, type Run, type Step, type Wake } from "../../stream/run.ts";
import { from, type Source } from "../../stream/sources/from.ts";
import { closeUnread } from "./close-source.ts";

/** A function that creates the source of a topic. The signal aborts when the topic needs it no longer. */
export type SourceFactory = (signal: AbortSignal) => Source<unknown> | PromiseLike<Source<unknown>>;

/**
 * A run of the source that a factory creates. It calls the factory at the first poll, so that a run that is closed
 * before never calls it.
 *
 * A close before the source's end aborts the factory's signal first. A source that arrives after the close is closed
 * unread.
 */
export class FactoryRun implements Run<unknown> {
  readonly #factory: SourceFactory;
  readonly #controller: AbortController;
  readonly #wake: Wake;
  #up: Run<unknown> | undefined;
  #arriving: Promise<void> | undefined;
  #failure: { readonly error: unknown } | undefined;
  #isOver = false;

  constructor(factory: SourceFactory, controller: AbortController, wake: Wake) {
    this.#factory = factory;
    this.#controller = controller;
    this.#wake = wake;
  }

  poll(): Step<unknown> {
    try {
      const step = this.#poll();
      this.#isOver = step === END;
      return step;
    } catch (error) {
      this.#isOver = true;
      throw error;
    }
  }

  close(): void | PromiseLike<void> {
    if (!this.#isOver) {
      this.#isOver = true;
      this.#controller.abort();
    }
    return this.#up === undefined ? this.#arriving : this.#up.close();
  }

  #poll(): Step<unknown> {
    if (this.#failure !== undefined) throw this.#failure.error;
    if (this.#up !== undefined) return this.#up.poll();
    if (this.#arriving !== undefined) return WAIT;
    const made = this.#factory(this.#controller.signal);
    if (!isPromiseLike(made)) return (this.#up = this.#open(made)).poll();
    this.#arriving = this.#await(made);
    return WAIT;
  }

  async #await(arriving: PromiseLike<Source<unknown>>): Promise<void> {
    let source: Source<unknown>;
    try {
      source = await arriving;
      if (!this.#isOver) this.#up = this.#open(source);
    } catch (error) {
      // A factory usually rejects when its signal aborts.
      if (this.#isOver) return;
      this.#failure = { error };
      this.#wake();
      return;
    }
    if (this.#up === undefined) await closeUnread(source);
    else this.#wake();
  }

  #open(source: Source<unknown>): Run<unknown> {
    return openRun(sourceOf(source), this.#wake);
  }
}

/** @throws {CometError} `ERR_SOURCE`. */
function sourceOf(made: Source<unknown>): AsyncIterable<unknown> {
  try {
    return from(made);
  } catch (cause) {
    const what = "an Enumerator, an iterable, an async iterable or a ReadableStream";
    throw new CometError("ERR_SOURCE", `A producer must return ${what}, not ${describe(made)}.`, { cause });
  }
}

import type { OnError } from "../core/on-error.ts";
import { Pump, type Consumer } from "./pump.ts";

/** Options of `Enumerator.toReadableStream`. */
export interface ReadableStreamOptions {
  /** How many elements are pulled ahead of the stream's reader: 0 by default, none. */
  readonly highWaterMark?: number;
  /** When it aborts, the source is stopped and the stream fails with the signal's reason. */
  readonly signal?: AbortSignal;
}

/** A run of a source as a `ReadableStream`. `onFail` is told if the source fails, beside the stream's reader. */
export function readableStream<E>(
  source: AsyncIterable<E>,
  options: ReadableStreamOptions = {},
  onFail: OnError = () => undefined,
): ReadableStream<E> {
  const { highWaterMark = 0, signal } = options;
  return new ReadableStream(new StreamSource(source, signal, onFail), { highWaterMark });
}

/** Gives the stream one element for each pull, so that what nobody reads is not asked for. */
class StreamSource<E> implements UnderlyingDefaultSource<E>, Consumer<E> {
  readonly #pump: Pump<E>;
  readonly #signal: AbortSignal | undefined;
  readonly #onFail: OnError;
  #controller: ReadableStreamDefaultController<E> | undefined;
  #pulled: (() => void) | undefined;

  constructor(source: AsyncIterable<E>, signal: AbortSignal | undefined, onFail: OnError) {
    this.#pump = new Pump(source, this);
    this.#signal = signal;
    this.#onFail = onFail;
  }

  start(controller: ReadableStreamDefaultController<E>): void {
    this.#controller = controller;
    this.#signal?.addEventListener("abort", this.#onAbort);
    if (this.#signal?.aborted === true) this.#onAbort();
  }

  pull(): Promise<void> {
    return new Promise((resolve) => {
      this.#pulled = resolve;
      this.#pump.resume();
    });
  }

  cancel(): Promise<void> {
    this.#letGo();
    return this.#pump.stop();
  }

  take(element: E): boolean {
    this.#controller?.enqueue(element);
    this.#pulled?.();
    return false;
  }

  end(): void {
    this.#letGo();
    this.#controller?.close();
  }

  fail(error: unknown): void {
    this.#letGo();
    this.#controller?.error(error);
    this.#onFail(error);
  }

  readonly #onAbort = (): void => {
    this.#pump.stop().catch(() => undefined);
    this.#letGo();
    this.#controller?.error(this.#signal?.reason);
  };

  #letGo(): void {
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#pulled?.();
  }
}

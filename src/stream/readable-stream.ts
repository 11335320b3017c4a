import type { OnError } from "../core/on-error.ts";
import { Pump, type Consumer } from "./pump.ts";

/** Options of `Enumerator.toReadableStream`. */
export interface ReadableStreamOptions {
  /** The number of elements that are pulled ahead of the stream's reader. @default 0 */
  readonly highWaterMark?: number;
  /** When it aborts, the source is stopped and the stream errors with the signal's reason. */
  readonly signal?: AbortSignal;
}

/**
 * Returns a run of a source as a `ReadableStream`. A failure of the source errors the stream, and is passed to
 * `onFail`.
 */
export function readableStream<E>(
  source: AsyncIterable<E>,
  options: ReadableStreamOptions = {},
  onFail: OnError = () => undefined,
): ReadableStream<E> {
  const { highWaterMark = 0, signal } = options;
  return new ReadableStream(new StreamSource(source, signal, onFail), { highWaterMark });
}

/** Enqueues one element for each pull, so that elements without demand are not requested. */
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
    this.#detach();
    return this.#pump.stop();
  }

  take(element: E): boolean {
    this.#controller?.enqueue(element);
    this.#pulled?.();
    return false;
  }

  end(): void {
    this.#detach();
    this.#controller?.close();
  }

  fail(error: unknown): void {
    this.#detach();
    this.#controller?.error(error);
    this.#onFail(error);
  }

  readonly #onAbort = (): void => {
    this.#pump.stop().catch(() => undefined);
    this.#detach();
    this.#controller?.error(this.#signal?.reason);
  };

  #detach(): void {
    this.#signal?.removeEventListener("abort", this.#onAbort);
    this.#pulled?.();
  }
}

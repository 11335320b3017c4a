import { assertFunction, assertInteger } from "../../core/options.ts";
import { isPromiseLike } from "../../core/promise.ts";
import { Queue } from "../../core/queue.ts";
import { Enumerator, type Enumeratee } from "../enumerator.ts";
import { openRun } from "../open.ts";
import { END, WAIT, type Run, type Step, type Wake } from "../run.ts";

/** Options of {@link mapAsync}. */
export interface MapAsyncOptions {
  /**
   * The number of concurrent calls, a whole number from 1 to 65,536. At most this number of elements is pulled ahead of
   * the reader.
   * @default 1
   */
  readonly concurrency?: number;
}

/**
 * {@link map} with an asynchronous function. It keeps the order of the elements at any concurrency. The second argument
 * of `f` is an `AbortSignal` that fires when the run is over, so that a wait can end early; later results and
 * rejections are dropped.
 *
 * @throws {CometError} `ERR_OPTION` for a wrong argument. A throw or rejection of `f` reaches the reader in the order
 *   of its element: after the results of the elements before it.
 */
export function mapAsync<A, B>(
  f: (element: A, signal: AbortSignal) => B | PromiseLike<B>,
  options: MapAsyncOptions = {},
): Enumeratee<A, B> {
  assertFunction("The function of mapAsync", f);
  const concurrency = assertInteger("The concurrency of mapAsync", options.concurrency ?? 1, 1, 65_536);
  return (source) => new Enumerator((wake) => new MapAsyncRun((inner) => openRun(source, inner), f, concurrency, wake));
}

/** The pending result of one element. */
interface Slot {
  settled: boolean;
  failed: boolean;
  value: unknown;
}

class MapAsyncRun<A, B> implements Run<B> {
  readonly #up: Run<A>;
  readonly #f: (element: A, signal: AbortSignal) => B | PromiseLike<B>;
  readonly #concurrency: number;
  readonly #wake: Wake;
  readonly #abort = new AbortController();
  readonly #slots: Queue<Slot> = new Queue();
  #upEnded = false;

  constructor(
    open: (wake: Wake) => Run<A>,
    f: (element: A, signal: AbortSignal) => B | PromiseLike<B>,
    concurrency: number,
    wake: Wake,
  ) {
    this.#f = f;
    this.#concurrency = concurrency;
    this.#wake = wake;
    this.#up = open(wake);
  }

  poll(): Step<B> {
    this.#fill();
    if (this.#slots.size === 0) return this.#upEnded ? END : WAIT;
    if (!this.#slots.peek().settled) return WAIT;
    const slot = this.#slots.shift();
    if (slot.failed) throw slot.value;
    return slot.value as B;
  }

  close(): void | PromiseLike<void> {
    this.#slots.clear();
    this.#abort.abort();
    return this.#up.close();
  }

  /** Starts calls up to the concurrency. It pulls nothing behind an element that is known to fail. */
  #fill(): void {
    while (!this.#upEnded && this.#slots.size < this.#concurrency) {
      const slot: Slot = { settled: false, failed: false, value: undefined };
      try {
        const step = this.#up.poll();
        if (step === WAIT) return;
        if (step === END) {
          this.#upEnded = true;
          return;
        }
        this.#start(slot, this.#f(step, this.#abort.signal));
      } catch (error) {
        // An error of the source or of f waits for the results of the elements before it.
        this.#settle(slot, true, error);
      }
      this.#slots.push(slot);
    }
  }

  #start(slot: Slot, result: B | PromiseLike<B>): void {
    if (!isPromiseLike(result)) {
      this.#settle(slot, false, result);
      return;
    }
    result.then(
      (value) => {
        this.#settle(slot, false, value);
        this.#wake();
      },
      (error: unknown) => {
        this.#settle(slot, true, error);
        this.#wake();
      },
    );
  }

  #settle(slot: Slot, failed: boolean, value: unknown): void {
    slot.settled = true;
    slot.failed = failed;
    slot.value = value;
    if (failed) this.#upEnded = true;
  }
}

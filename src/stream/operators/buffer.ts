import { BoundedQueue, checkBound, type Bound, type WhenFull } from "../bounded-queue.ts";
import { Enumerator, type Enumeratee } from "../enumerator.ts";
import { Pump, type Consumer } from "../pump.ts";
import { END, WAIT, type Run, type Step, type Wake } from "../run.ts";

/** The number of elements in a row from a source that never waits, after which it yields to the event loop. */
const MAX_IN_A_ROW = 1024;

/**
 * Buffers elements: pulls ahead of the reader, from the first demand on, until `capacity` elements wait.
 *
 * At that high-water mark the default, `backpressure`, stops pulling until there is room; the other policies continue,
 * and treat further elements by their {@link WhenFull}. `onDrop` is called with each dropped element.
 *
 * @param capacity A whole number from 1 to 1,000,000.
 * @throws {CometError} `ERR_OPTION` for a wrong argument; `ERR_OVERFLOW`, to the reader, where the policy is `fail`.
 */
export function buffer<A>(
  capacity: number,
  policy: WhenFull | "backpressure" = "backpressure",
  onDrop?: (element: A) => void,
): Enumeratee<A, A> {
  const whenFull = policy === "backpressure" ? "fail" : policy;
  const bound = checkBound<A>("buffer", { capacity, whenFull, ...(onDrop === undefined ? {} : { onDrop }) });
  return (source) => new Enumerator((wake) => new BufferRun(source, bound, policy === "backpressure", wake));
}

class BufferRun<A> implements Run<A>, Consumer<A> {
  readonly #pump: Pump<A>;
  readonly #elements: BoundedQueue<A>;
  readonly #capacity: number;
  readonly #holdsBack: boolean;
  readonly #wake: Wake;
  #outcome: { readonly error?: unknown } | undefined;
  #begun = false;
  #inARow = 0;
  #yielding: ReturnType<typeof setTimeout> | undefined;
  /** Whether it is inside of its own poll, where a run must not wake its reader. */
  #polling = false;

  constructor(source: AsyncIterable<A>, bound: Bound<A>, holdsBack: boolean, wake: Wake) {
    this.#pump = new Pump(source, this);
    this.#elements = new BoundedQueue(bound);
    this.#capacity = bound.capacity;
    this.#holdsBack = holdsBack;
    this.#wake = wake;
  }

  poll(): Step<A> {
    this.#polling = true;
    if (this.#holdsBack || !this.#begun) this.#pull();
    this.#polling = false;
    if (this.#elements.size > 0) return this.#elements.shift();
    if (this.#outcome === undefined) return WAIT;
    if ("error" in this.#outcome) throw this.#outcome.error;
    return END;
  }

  close(): Promise<void> {
    clearTimeout(this.#yielding);
    this.#elements.clear();
    return this.#pump.stop();
  }

  take(element: A): boolean {
    this.#elements.offer(element);
    this.#wakeReader();
    if (this.#holdsBack) return this.#elements.size < this.#capacity;
    this.#inARow += 1;
    if (this.#inARow < MAX_IN_A_ROW) return true;
    this.#inARow = 0;
    this.#yielding = setTimeout(() => this.#pull(), 0);
    return false;
  }

  end(): void {
    this.#outcome = {};
    this.#wakeReader();
  }

  fail(error: unknown): void {
    this.#outcome = { error };
    this.#wakeReader();
  }

  #pull(): void {
    this.#begun = true;
    if (!this.#holdsBack || this.#elements.size < this.#capacity) this.#pump.resume();
  }

  #wakeReader(): void {
    if (!this.#polling) this.#wake();
  }
}

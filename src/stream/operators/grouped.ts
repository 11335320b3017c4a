import { CometError } from "../../core/errors.ts";
import { MAX_TIMER_MS, assertInteger } from "../../core/options.ts";
import { isPromiseLike } from "../../core/promise.ts";
import { takeUpTo } from "../consumers.ts";
import { Enumerator, type Enumeratee } from "../enumerator.ts";
import type { Fold, Iteratee } from "../iteratee.ts";
import { openRun } from "../open.ts";
import { END, isSignal, OperatorRun, WAIT, type Run, type Step, type Wake } from "../run.ts";

/** Options of {@link grouped} by count and time. */
export interface GroupedOptions {
  /** The largest number of elements in a group, a whole number from 1 to 1,000,000. */
  readonly count: number;
  /**
   * The time that a group may wait for more after its first element, in milliseconds: a whole number from 1 to
   * 2,147,483,647.
   */
  readonly withinMs: number;
}

/**
 * Groups elements: into arrays of `count`; into arrays of at most `count`, emitted no later than `withinMs`
 * milliseconds after their first element; or into the results of an {@link Iteratee}, which starts again whenever it is
 * done. A last, incomplete group is emitted when the source ends. It pulls only while the reader wants a group.
 *
 * @throws {CometError} `ERR_OPTION` for a wrong argument; to the reader, for an Iteratee that is done without an
 *   element.
 */
export function grouped<A>(by: number | GroupedOptions): Enumeratee<A, A[]>;
export function grouped<A, R>(by: Iteratee<A, R>): Enumeratee<A, R>;
export function grouped<A, R>(by: number | GroupedOptions | Iteratee<A, R>): Enumeratee<A, R | A[]> {
  if (typeof by === "object" && "start" in by) return byIteratee(by);
  if (typeof by !== "object") return byIteratee(takeUpTo<A>(assertInteger("The count of grouped", by, 1, 1_000_000)));
  const count = assertInteger("The count of grouped", by.count, 1, 1_000_000);
  const withinMs = assertInteger("withinMs of grouped", by.withinMs, 1, MAX_TIMER_MS);
  return (source) => new Enumerator((wake) => new WithinRun(openRun(source, wake), count, withinMs, wake));
}

function byIteratee<A, R>(iteratee: Iteratee<A, R>): Enumeratee<A, R> {
  return (source) => new Enumerator((wake) => new GroupedRun(openRun(source, wake), iteratee, wake));
}

class GroupedRun<A, R> extends OperatorRun<A, R> {
  readonly #iteratee: Iteratee<A, R>;
  readonly #wake: Wake;
  #fold: Fold<A, R> | undefined;
  #upEnded = false;
  #waiting = false;
  #settled: (() => Step<R>) | undefined;

  constructor(up: Run<A>, iteratee: Iteratee<A, R>, wake: Wake) {
    super(up);
    this.#iteratee = iteratee;
    this.#wake = wake;
  }

  poll(): Step<R> {
    for (;;) {
      if (this.#waiting) return WAIT;
      const settled = this.#settled;
      if (settled !== undefined) {
        this.#settled = undefined;
        return settled();
      }
      if (this.#fold?.done === true || (this.#fold !== undefined && this.#upEnded)) {
        const result = this.#fold.finish();
        this.#fold = undefined;
        if (!isPromiseLike(result)) return result;
        this.#await(result, (value) => () => value);
        return WAIT;
      }
      if (this.#upEnded) return END;
      const step = this.up.poll();
      if (step === WAIT) return WAIT;
      if (step === END) this.#upEnded = true;
      else this.#give(step);
    }
  }

  override close(): void | PromiseLike<void> {
    this.#fold?.close?.();
    return super.close();
  }

  #give(element: A): void {
    this.#fold ??= this.#iteratee.start();
    if (this.#fold.done) {
      throw new CometError(
        "ERR_OPTION",
        "The Iteratee of grouped completes without reading an element, so its groups would never end.",
      );
    }
    const wait = this.#fold.take(element);
    if (isPromiseLike(wait)) this.#await(wait, () => undefined);
  }

  #await<T>(promise: PromiseLike<T>, then: (value: T) => (() => Step<R>) | undefined): void {
    this.#waiting = true;
    promise.then(
      (value) => this.#arrive(then(value)),
      (error: unknown) =>
        this.#arrive(() => {
          throw error;
        }),
    );
  }

  #arrive(settled: (() => Step<R>) | undefined): void {
    this.#waiting = false;
    this.#settled = settled;
    this.#wake();
  }
}

class WithinRun<A> extends OperatorRun<A, A[]> {
  readonly #count: number;
  readonly #withinMs: number;
  readonly #wake: Wake;
  #group: A[] = [];
  #due = false;
  #upEnded = false;
  #timer: ReturnType<typeof setTimeout> | undefined;

  constructor(up: Run<A>, count: number, withinMs: number, wake: Wake) {
    super(up);
    this.#count = count;
    this.#withinMs = withinMs;
    this.#wake = wake;
  }

  poll(): Step<A[]> {
    while (!this.#due && !this.#upEnded && this.#group.length < this.#count) {
      const step = this.up.poll();
      if (step === WAIT) return WAIT;
      if (step === END) this.#upEnded = true;
      else if (!isSignal(step)) this.#add(step);
    }
    if (this.#group.length === 0) return END;
    clearTimeout(this.#timer);
    this.#due = false;
    const group = this.#group;
    this.#group = [];
    return group;
  }

  override close(): void | PromiseLike<void> {
    clearTimeout(this.#timer);
    return super.close();
  }

  #add(element: A): void {
    if (this.#group.push(element) > 1) return;
    this.#timer = setTimeout(() => {
      this.#due = true;
      this.#wake();
    }, this.#withinMs);
  }
}

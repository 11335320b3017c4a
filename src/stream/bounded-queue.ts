import { CometError, describe } from "../core/errors.ts";
import { assertInteger } from "../core/options.ts";
import { Queue } from "../core/queue.ts";

/**
 * The policy for an element that arrives at a full buffer: `fail` fails the source with `ERR_OVERFLOW` after the
 * waiting elements; `dropOldest` drops the oldest waiting element; `dropNewest` drops the new element; `latest` drops
 * all waiting elements and keeps the new one.
 */
export type WhenFull = "fail" | "dropOldest" | "dropNewest" | "latest";

const policies: readonly unknown[] = ["fail", "dropOldest", "dropNewest", "latest"] satisfies WhenFull[];

/** The bound of a channel, and its policy at that bound. */
export interface BoundOptions<E = never> {
  /** The number of elements that may wait for the reader, a whole number from 1 to 1,000,000. @default 1024 */
  readonly capacity?: number;
  /** The policy for one more. The default loses nothing silently. @default "fail" */
  readonly whenFull?: WhenFull;
  /** Called with each dropped element, synchronously. It must not throw. */
  readonly onDrop?: (element: E) => void;
}

/** {@link BoundOptions} that were checked, with the defaults. */
export interface Bound<E> {
  readonly capacity: number;
  readonly whenFull: WhenFull;
  readonly onDrop: ((element: E) => void) | undefined;
}

/** Checks the options of a bound. @throws {CometError} `ERR_OPTION` for a wrong option. */
export function checkBound<E>(name: string, options: BoundOptions<E>): Bound<E> {
  const { whenFull = "fail", onDrop } = options;
  if (!policies.includes(whenFull)) {
    const message = `whenFull of ${name} must be one of ${policies.join(", ")}, not ${describe(whenFull)}.`;
    throw new CometError("ERR_OPTION", message);
  }
  if (onDrop !== undefined && typeof onDrop !== "function") {
    throw new CometError("ERR_OPTION", `onDrop of ${name} must be a function, not ${describe(onDrop)}.`);
  }
  return {
    capacity: assertInteger(`The capacity of ${name}`, options.capacity ?? 1024, 1, 1_000_000),
    whenFull,
    onDrop,
  };
}

/** A queue that never holds more than its capacity. */
export class BoundedQueue<E> {
  readonly #bound: Bound<E>;
  readonly #elements: Queue<E> = new Queue();

  constructor(bound: Bound<E>) {
    this.#bound = bound;
  }

  get size(): number {
    return this.#elements.size;
  }

  /**
   * Adds an element, and drops one or more by the policy if it is full.
   * @throws {CometError} `ERR_OVERFLOW` if the policy is `fail`.
   */
  offer(element: E): void {
    if (this.#elements.size < this.#bound.capacity) {
      this.#elements.push(element);
      return;
    }
    const { whenFull, onDrop, capacity } = this.#bound;
    switch (whenFull) {
      case "fail":
        throw new CometError("ERR_OVERFLOW", `The reader lags by more than ${capacity} elements.`);
      case "dropNewest":
        onDrop?.(element);
        return;
      case "dropOldest":
        onDrop?.(this.#elements.shift());
        break;
      case "latest":
        while (this.#elements.size > 0) {
          const dropped = this.#elements.shift();
          onDrop?.(dropped);
        }
    }
    this.#elements.push(element);
  }

  /** Removes and returns the oldest element. The queue must not be empty. */
  shift(): E {
    return this.#elements.shift();
  }

  clear(): void {
    this.#elements.clear();
  }
}

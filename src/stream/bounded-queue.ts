import { CometError, describe } from "../core/errors.ts";
import { assertInteger } from "../core/options.ts";
import { Queue } from "../core/queue.ts";

/**
 * What happens to an element that comes when a buffer is full:
 * `fail`, the source fails with `ERR_OVERFLOW` after the elements that were waiting; `dropOldest`, the one that has waited
 * longest goes; `dropNewest`, the one that came goes; `latest`, all that were waiting go and the one that came stays.
 */
export type WhenFull = "fail" | "dropOldest" | "dropNewest" | "latest";

const policies: readonly unknown[] = ["fail", "dropOldest", "dropNewest", "latest"] satisfies WhenFull[];

/** The bound of a channel, and what happens there. */
export interface BoundOptions<E = never> {
  /** How many elements may wait for the reader: a whole number from 1 to 1,000,000; 1,024 by default. */
  readonly capacity?: number;
  /** What happens to one more; `fail` by default, so that nothing is lost in silence. */
  readonly whenFull?: WhenFull;
  /** Told of every element that is dropped, at once. It must not throw. */
  readonly onDrop?: (element: E) => void;
}

/** {@link BoundOptions}, checked. */
export interface Bound<E> {
  readonly capacity: number;
  readonly whenFull: WhenFull;
  readonly onDrop: ((element: E) => void) | undefined;
}

/** @throws {CometError} `ERR_OPTION` for a wrong option. */
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

  /** Takes an element in, or lets one go. @throws {CometError} `ERR_OVERFLOW` where the policy is to fail. */
  offer(element: E): void {
    if (this.#elements.size < this.#bound.capacity) {
      this.#elements.push(element);
      return;
    }
    const { whenFull, onDrop, capacity } = this.#bound;
    switch (whenFull) {
      case "fail":
        throw new CometError("ERR_OVERFLOW", `The reader is more than ${capacity} elements behind.`);
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

  /** Takes the oldest element out. Only for a queue that is not empty. */
  shift(): E {
    return this.#elements.shift();
  }

  clear(): void {
    this.#elements.clear();
  }
}

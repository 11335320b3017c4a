import { Queue } from "./queue.ts";

/**
 * Limits how many asynchronous tasks run at a time. Further tasks wait, first come, first served. A task that ends hands its permit to the
 * longest waiting task; the permit is not free in between, so that a new task cannot overtake those that wait. A task must not wait for another
 * task of the same semaphore: both may wait forever.
 */
export class Semaphore {
  readonly #waiting = new Queue<() => void>();
  #free: number;

  /** @param permits How many tasks may run at a time: a whole number, at least 1; not checked. */
  constructor(permits: number) {
    this.#free = permits;
  }

  /** Runs a task once there is a permit for it. Settles as the task does, and releases the permit whether it succeeds, rejects or throws. */
  async run<Result>(task: () => Promise<Result>): Promise<Result> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      // Without `await` the permit would be released before the task has settled.
      return await task();
    } finally {
      if (this.#waiting.size > 0) this.#waiting.shift()();
      else this.#free += 1;
    }
  }
}

import { Queue } from "./queue.ts";

/**
 * Runs at most a number of tasks at a time. Further tasks wait, first come, first served. A permit passes from a task to the first that
 * waits without being free in between, so that a new task cannot overtake.
 */
export class Semaphore {
  readonly #waiting = new Queue<() => void>();
  #free: number;

  /** @param permits The number of tasks that may run at a time, from 1. */
  constructor(permits: number) {
    this.#free = permits;
  }

  /** Runs the task when it has a permit. Settles as the task does, and releases the permit in either case. */
  async run<Result>(task: () => Promise<Result>): Promise<Result> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await task();
    } finally {
      if (this.#waiting.size > 0) this.#waiting.shift()();
      else this.#free += 1;
    }
  }
}

/** Runs at most a number of tasks at a time. The others wait in the order of their calls. */
export class Semaphore {
  readonly #waiting: (() => void)[] = [];
  #free: number;

  /** @param permits The number of tasks that may run at a time, from 1. */
  constructor(permits: number) {
    this.#free = permits;
  }

  /** Runs a task when a permit is free. Resolves and rejects as the task does, which frees its permit. */
  async run<Result>(task: () => Promise<Result>): Promise<Result> {
    if (this.#free > 0) this.#free -= 1;
    else await new Promise<void>((resolve) => this.#waiting.push(resolve));
    try {
      return await task();
    } finally {
      const next = this.#waiting.shift();
      if (next === undefined) this.#free += 1;
      else next();
    }
  }
}

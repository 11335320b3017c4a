import fc from "fast-check";
import { expect, test } from "vitest";
import { Semaphore } from "../../../src/core/semaphore.ts";
import { turns } from "../../support/sources.ts";

/** Tasks that run until they are ended one by one. */
class Tasks {
  readonly begun: number[] = [];
  readonly #running = new Map<number, (error: unknown) => void>();

  task(i: number): () => Promise<number> {
    return () => {
      this.begun.push(i);
      return new Promise((resolve, reject) => {
        this.#running.set(i, (error) => (error === undefined ? resolve(i) : reject(error)));
      });
    };
  }

  get running(): number {
    return this.#running.size;
  }

  isRunning(i: number): boolean {
    return this.#running.has(i);
  }

  end(i: number, error?: unknown): void {
    const settle = this.#running.get(i);
    this.#running.delete(i);
    settle?.(error);
  }
}

test("runs a task at once if a permit is free", () => {
  const [semaphore, tasks] = [new Semaphore(2), new Tasks()];
  for (let i = 0; i < 3; i += 1) void semaphore.run(tasks.task(i));
  expect(tasks.begun).toEqual([0, 1]);
});

test("runs at most as many tasks at once as it has permits, and starts them in call order", async () => {
  const permits = fc.integer({ min: 1, max: 5 });
  const picks = fc.array(fc.nat({ max: 4 }), { minLength: 1, maxLength: 30 });
  await fc.assert(
    fc.asyncProperty(permits, picks, async (count, ends) => {
      const [semaphore, tasks] = [new Semaphore(count), new Tasks()];
      const results = ends.map((_, i) => semaphore.run(tasks.task(i)));
      for (const [done, pick] of ends.entries()) {
        await turns();
        expect(tasks.running).toBe(Math.min(count, ends.length - done));
        const running = tasks.begun.filter((i) => tasks.isRunning(i));
        tasks.end(running[pick % running.length] as number);
      }
      expect(await Promise.all(results)).toEqual(ends.map((_, i) => i));
      expect(tasks.begun).toEqual(ends.map((_, i) => i));
    }),
    { numRuns: 30 },
  );
});

test("starts a waiting task before a newer one when a permit is released", async () => {
  const [semaphore, tasks] = [new Semaphore(1), new Tasks()];
  const first = semaphore.run(tasks.task(0));
  void semaphore.run(tasks.task(1));
  // The permit is on its way to the second task when the third asks for one.
  const third = first.then(() => void semaphore.run(tasks.task(2)));
  tasks.end(0);
  await third;
  await turns();
  expect(tasks.begun).toEqual([0, 1]);
  tasks.end(1);
  await turns();
  expect(tasks.begun).toEqual([0, 1, 2]);
});

test("releases the permit and rejects with the same error when a task rejects or throws", async () => {
  const [semaphore, tasks] = [new Semaphore(1), new Tasks()];
  const failing = semaphore.run(tasks.task(0));
  const waiting = semaphore.run(tasks.task(1));
  tasks.end(0, new Error("rejected"));
  await expect(failing).rejects.toThrow("rejected");
  expect(tasks.begun).toEqual([0, 1]);
  tasks.end(1);
  expect(await waiting).toBe(1);
  const throwing = (): Promise<void> => {
    throw new Error("thrown");
  };
  await expect(semaphore.run(throwing)).rejects.toThrow("thrown");
  expect(await semaphore.run(() => Promise.resolve("free"))).toBe("free");
});

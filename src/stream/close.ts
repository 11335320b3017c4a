import type { Run } from "./run.ts";

/** Closes several runs, all of them even if some fail. Fails with the first error once all are closed. */
export function closeAll(runs: Iterable<Run<unknown>>): void | Promise<void> {
  const closing: PromiseLike<void>[] = [];
  const errors: unknown[] = [];
  for (const run of runs) {
    try {
      const closed = run.close();
      if (closed !== undefined) closing.push(closed);
    } catch (error) {
      errors.push(error);
    }
  }
  if (closing.length === 0) {
    if (errors.length > 0) throw errors[0];
    return;
  }
  return Promise.allSettled(closing).then((results) => {
    for (const result of results) if (result.status === "rejected") errors.push(result.reason);
    if (errors.length > 0) throw errors[0];
  });
}

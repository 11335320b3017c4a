/** How late a timer was, in milliseconds, and when that was seen, in milliseconds of the clock on the wall. */
export interface Late {
  readonly at: number;
  readonly ms: number;
}

/** The timer that is watched, in milliseconds. */
export const EVERY_MS = 50;

/** Sets a timer again and again, and notes how late it comes each time. Runs in pages and in Node; gives a list that grows. */
export function watchTimer(): Late[] {
  const late: Late[] = [];
  const again = (): void => {
    const due = performance.now() + EVERY_MS;
    setTimeout(() => {
      late.push({ at: Date.now(), ms: performance.now() - due });
      again();
    }, EVERY_MS);
  };
  again();
  return late;
}

/**
 * How late a timer was at most beyond another one, which ran beside it where nothing was to be done: what is left once the
 * machine's own lateness is taken off. Each is compared with the latest that the other was within the same time.
 */
export function mostBeyond(late: readonly Late[], control: readonly Late[]): number {
  return Math.max(
    0,
    ...late.map(({ at, ms }) => {
      const from = at - ms - EVERY_MS;
      const meanwhile = control.filter((one) => one.at >= from && one.at - one.ms <= at);
      return ms - Math.max(0, ...meanwhile.map((one) => one.ms));
    }),
  );
}

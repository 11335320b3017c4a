import { onTestFinished, vi } from "vitest";

/** The clock of a test whose time is virtual. */
export interface VirtualTime {
  /** Lets time pass during which no timer fires, as while a process stands still. */
  standStill(ms: number): void;
  /** Lets time pass at once: the timers that are due fire in their order. */
  pass(ms: number): void;
}

/**
 * Makes time virtual until the test is over: `performance.now` and all timers advance by one millisecond in each turn of the event
 * loop. A test of periods and timeouts is then independent of the machine's speed, and durations are exact to a few turns. It is not
 * for tests with sockets or processes, which take real time.
 *
 * @param msPerTurn The time that a turn of the event loop takes. 0: time stands still except in `pass`.
 */
export function virtualTime(msPerTurn: 0 | 1 = 1): VirtualTime {
  vi.useFakeTimers({ toFake: ["performance", "setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
  const now = performance.now.bind(performance);
  let skipped = 0;
  let isOver = false;
  performance.now = () => now() + skipped;
  const advance = (): void => {
    if (isOver) return;
    vi.advanceTimersByTime(msPerTurn);
    setImmediate(advance);
  };
  if (msPerTurn > 0) setImmediate(advance);
  onTestFinished(() => {
    isOver = true;
    vi.useRealTimers();
  });
  return { standStill: (ms) => void (skipped += ms), pass: (ms) => void vi.advanceTimersByTime(ms) };
}

import { onTestFinished, vi } from "vitest";

/** The clock of a test whose time is virtual. */
export interface VirtualTime {
  /** Lets time pass during which no timer fires, as while a process stands still. */
  standStill(ms: number): void;
}

/**
 * Makes time virtual until the test is over: `performance.now` and all timers advance by one millisecond in each turn of the event
 * loop. A test of periods and timeouts is then independent of the machine's speed, and durations are exact to a few turns. It is not
 * for tests with sockets or processes, which take real time.
 */
export function virtualTime(): VirtualTime {
  vi.useFakeTimers({ toFake: ["performance", "setTimeout", "clearTimeout", "setInterval", "clearInterval"] });
  const now = performance.now.bind(performance);
  let skipped = 0;
  let isOver = false;
  performance.now = () => now() + skipped;
  const pass = (): void => {
    if (isOver) return;
    vi.advanceTimersByTime(1);
    setImmediate(pass);
  };
  setImmediate(pass);
  onTestFinished(() => {
    isOver = true;
    vi.useRealTimers();
  });
  return { standStill: (ms) => void (skipped += ms) };
}

/** A timer, as the platform's `setTimeout` returns it. */
export type Timer = ReturnType<typeof setTimeout>;

/**
 * Starts a timeout that does not keep the process alive, for work that is pointless once everything else has ended: time limits,
 * retries, heartbeats. Cancel it with `clearTimeout`. Where timers cannot be unreferenced, as in browsers and on Cloudflare, it is a
 * plain timeout.
 */
export function unrefTimeout(task: () => void, ms: number): Timer {
  return unref(setTimeout(task, ms));
}

/** Starts an interval that does not keep the process alive. Cancel it with `clearInterval`. @see {@link unrefTimeout} */
export function unrefInterval(task: () => void, ms: number): Timer {
  return unref(setInterval(task, ms));
}

function unref(timer: Timer): Timer {
  // Node, Bun and Deno have `unref`; a browser's timer is a number.
  (timer as { unref?: () => void }).unref?.();
  return timer;
}

/**
 * A timer that does not keep the process alive. Node's timers have `unref` for that; a browser's are numbers, and
 * Cloudflare's objects lack it, so it is called if it exists.
 */
export type Timer = ReturnType<typeof setTimeout>;

/** Like `setTimeout`, but does not keep the process alive. Cancel it with `clearTimeout`. */
export function unrefTimeout(task: () => void, ms: number): Timer {
  return unref(setTimeout(task, ms));
}

/** Like `setInterval`, but does not keep the process alive. Cancel it with `clearInterval`. */
export function unrefInterval(task: () => void, ms: number): Timer {
  return unref(setInterval(task, ms));
}

function unref(timer: Timer): Timer {
  (timer as { unref?: () => void }).unref?.();
  return timer;
}

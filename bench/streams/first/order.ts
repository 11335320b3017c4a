/** What lies between asking for an element and having it. */
export interface Order {
  /** Microtasks, one after another, up to and with the one that has the element. 1 is as few as a promise can. */
  readonly microtasks: number;
  /** Turns of the event loop: timers and immediates that came first. */
  readonly macrotasks: number;
}

/** Asks a new iterator for its first element, with a chain of microtasks, a timer and an immediate started just after. */
export async function orderOfFirst(source: AsyncIterable<unknown>): Promise<Order> {
  const iterator = source[Symbol.asyncIterator]();
  let arrived = false;
  let microtasks = 1;
  let macrotasks = 0;
  const first = iterator.next().then(() => (arrived = true));
  const timer = setTimeout(() => (macrotasks += arrived ? 0 : 1), 0);
  const immediate = setImmediate(() => (macrotasks += arrived ? 0 : 1));
  // Each lies one microtask behind the one before: those that ran before the element came are what it waited for.
  function tick(): void {
    if (arrived) return;
    microtasks += 1;
    queueMicrotask(tick);
  }
  queueMicrotask(tick);
  await first;
  clearTimeout(timer);
  clearImmediate(immediate);
  await iterator.return?.();
  return { microtasks, macrotasks };
}

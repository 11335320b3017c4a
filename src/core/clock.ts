/** The hub's clock: milliseconds that only go forward. */
export function now(): number {
  return performance.now();
}

/** The monotonic clock of the package, in milliseconds. */
export function now(): number {
  return performance.now();
}

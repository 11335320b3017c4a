/** The monotonic clock of the package, in milliseconds. */
export function now(): number {
  return performance.now();
}

/**
 * Converts a time in milliseconds since 1970 to this clock.
 *
 * The result is up to 1 ms early, since `Date.now` leaves fractions out, and never late.
 */
export function fromWallClock(time: number): number {
  return now() - (Date.now() - time) - 1;
}

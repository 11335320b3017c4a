/** Returns a whole number from `ms` to twice `ms`, at random, so that clients do not all retry at one moment. */
export function jittered(ms: number): number {
  return ms + Math.floor(Math.random() * (ms + 1));
}

/** The value in the middle, or the mean of the two there. @throws {RangeError} for no values at all. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError("No values have no median.");
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
}

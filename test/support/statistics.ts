/** The value in the middle, or the mean of the two there. @throws {RangeError} for no values at all. */
export function median(values: readonly number[]): number {
  if (values.length === 0) throw new RangeError("No values have no median.");
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length >> 1;
  const upper = sorted[middle] as number;
  return sorted.length % 2 === 1 ? upper : ((sorted[middle - 1] as number) + upper) / 2;
}

/** The smallest value that at least `share` (above 0, at most 1) of all values do not exceed. NaN for no values at all. */
export function quantile(values: readonly number[], share: number): number {
  const sorted = values.toSorted((a, b) => a - b);
  return sorted[Math.ceil(share * sorted.length) - 1] ?? NaN;
}

/** The median of each member, for objects of numbers that have the same members. */
export function medians<K extends string>(records: readonly { readonly [key in K]: number }[]): { [key in K]: number } {
  const keys = Object.keys(records[0] ?? {}) as K[];
  return Object.fromEntries(keys.map((key) => [key, median(records.map((record) => record[key]))])) as {
    [key in K]: number;
  };
}

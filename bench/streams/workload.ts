/**
 * What every variant computes: a counter from 0, through two maps and a filter, into a checksum. The functions are as small
 * as they can be, and the checksum stays in 32 bits so that no number has to be put on the heap: what is measured is
 * the stream library around them.
 */
export const increment = (n: number): number => n + 1;
export const double = (n: number): number => n * 2;
/** Keeps two of three. */
export const isKept = (n: number): boolean => n % 3 !== 0;
export const addUp = (sum: number, n: number): number => (sum + n) | 0;

/** An element that has to be waited for: a promise that is fulfilled already, as of something that was in a cache. */
export const request = (n: number): Promise<number> => Promise.resolve(n);

/** One variant's run over the first `elements` numbers; resolves to the checksum. */
export type Work = (elements: number) => Promise<number>;

/** The variants of one library, by scenario and name. */
export type Works = Readonly<Record<string, Work>>;

/** What each variant must come to. */
export function expected(elements: number): number {
  let sum = 0;
  for (let n = 0; n < elements; n += 1) {
    const mapped = double(increment(n));
    if (isKept(mapped)) sum = addUp(sum, mapped);
  }
  return sum;
}

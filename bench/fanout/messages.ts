/**
 * The messages of the benchmark. Each ends with its number, the time when it was published and a mark, so that a client can
 * count messages by one byte, and tell from what stands before it which message that was and how long it took.
 */

/** The byte that ends every message, and stands nowhere else in what any server sends. */
export const MARK = "^".charCodeAt(0);
export const NUMBER_DIGITS = 8;
export const TIME_DIGITS = 16;
/** The shortest message. */
export const MIN_BYTES: number = NUMBER_DIGITS + TIME_DIGITS + 1;

/** The clock that all processes of a machine share (CLOCK_MONOTONIC), in microseconds. */
export function nowUs(): number {
  return Number(process.hrtime.bigint() / 1000n);
}

const paddings = new Map<number, string>();

/** A message of `bytes` ASCII characters, at least 25, that is published now. */
export function message(number: number, bytes: number): string {
  let padding = paddings.get(bytes);
  if (padding === undefined) {
    padding = "x".repeat(bytes - MIN_BYTES);
    paddings.set(bytes, padding);
  }
  return `${padding}${String(number).padStart(NUMBER_DIGITS, "0")}${String(nowUs()).padStart(TIME_DIGITS, "0")}^`;
}

/** Several messages, published together. */
export function messages(count: number, bytes: number, firstNumber: number): readonly string[] {
  return Array.from({ length: count }, (_, i) => message(firstNumber + i, bytes));
}

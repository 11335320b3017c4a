import { median, quantile } from "../../test/support/statistics.ts";

/** A figure of several rounds. */
export interface Spread {
  readonly median: number;
  readonly lower: number;
  readonly upper: number;
  readonly rounds: number;
}

/** Fewer rounds have no quartiles. */
const LEAST_ROUNDS = 3;
/** The upper quartile may be this much above the lower one; otherwise the machine was too busy for a comparison. */
export const MOST_SPREAD = 1.1;

/** The median and the quartiles. @throws {RangeError} for no values at all. */
export function spreadOf(values: readonly number[]): Spread {
  return {
    median: median(values),
    lower: quantile(values, 0.25),
    upper: quantile(values, 0.75),
    rounds: values.length,
  };
}

/** Why a figure must not be compared with others: the machine was too busy, or the rounds are too few. Empty if it may be. */
export function flawOf({ lower, upper, rounds }: Spread): "" | "invalid" | "too few rounds" {
  if (rounds < LEAST_ROUNDS) return "too few rounds";
  return upper > lower * MOST_SPREAD ? "invalid" : "";
}

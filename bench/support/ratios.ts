import { figure } from "../../test/support/table.ts";
import { flawOf, spreadOf } from "./spread.ts";
import { verdict } from "./verdict.ts";

/** The columns of {@link ratiosTo}. */
export const RATIO_COLUMNS = ["ratio", "quartiles", ""] as const;

/**
 * Returns what the ratios of two variants say: their median, their quartiles, and a verdict in words.
 *
 * @param values The figure of one variant in each round, and `controls` those of the other one in the same rounds.
 */
export function ratiosTo(values: readonly number[], controls: readonly number[]): readonly string[] {
  const spread = spreadOf(values.map((value, round) => value / (controls[round] ?? NaN)));
  const { median, lower, upper } = spread;
  return [figure(median), `${figure(lower)} to ${figure(upper)}`, flawOf(spread) || verdict(median, lower, upper)];
}

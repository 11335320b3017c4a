import { median, quantile } from "../../test/support/statistics.ts";
import { figure } from "../../test/support/table.ts";
import { verdict } from "./verdict.ts";

/** The columns of {@link ratiosTo}. */
export const RATIO_COLUMNS = ["ratio", "quartiles", ""] as const;

/**
 * Returns what the ratios of two variants say: their median, their quartiles, and a verdict in words.
 *
 * @param values The figure of one variant in each round, and `controls` those of the other one in the same rounds.
 */
export function ratiosTo(values: readonly number[], controls: readonly number[]): readonly string[] {
  const ratios = values.map((value, round) => value / (controls[round] ?? NaN));
  const [lower, upper] = [quantile(ratios, 0.25), quantile(ratios, 0.75)];
  const ratio = median(ratios);
  return [figure(ratio), `${figure(lower)} to ${figure(upper)}`, verdict(ratio, lower, upper)];
}

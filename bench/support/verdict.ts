import { MOST_SPREAD } from "./spread.ts";

/**
 * Says in words what the ratios of several pairs mean.
 *
 * @param ratio The median of the ratios.
 * @param lower The lower quartile, and `upper` the upper one.
 */
export function verdict(ratio: number, lower: number, upper: number): string {
  if (upper > lower * MOST_SPREAD) return "invalid";
  if (lower <= 1 && upper >= 1) return "within noise";
  return `${Math.abs((ratio - 1) * 100).toFixed(1)} % ${ratio > 1 ? "more" : "less"}`;
}

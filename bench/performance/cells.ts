import { figure } from "../../test/support/table.ts";
import { flawOf, spreadOf, type Spread } from "../support/spread.ts";

/** A table of Markdown. */
export function markdownTable(header: readonly string[], rows: readonly (readonly string[])[]): string {
  // An empty cell has one blank, so that the line has no run of blanks.
  const line = (cells: readonly string[]): string =>
    `|${cells.map((cell) => (cell === "" ? " " : ` ${cell} `)).join("|")}|`;
  for (const row of rows) {
    if (row.length !== header.length) throw new RangeError(`A row has ${row.length} cells, not ${header.length}.`);
  }
  return [line(header), line(header.map(() => "---")), ...rows.map(line)].join("\n");
}

/** A whole number with separators, or a figure of three digits. */
export function count(value: number): string {
  return Math.round(value).toLocaleString("en");
}

export function percent(share: number, digits = 0): string {
  return `${(share * 100).toFixed(digits)} %`;
}

/** A median, and in brackets its quartiles, if there are enough rounds for them. */
export function cell(spread: Spread | undefined, text: (value: number) => string = figure): string {
  if (spread === undefined) return "";
  const middle = text(spread.median);
  if (flawOf(spread) === "too few rounds") return middle;
  return `${middle} (${text(spread.lower)}-${text(spread.upper)})`;
}

/** The flaws of the figures of a row, by the names of their columns: `invalid: x C`. Empty if there is none. */
export function flaws(figures: Readonly<Record<string, Spread | undefined>>): string {
  const found = Object.entries(figures).map(([name, spread]) => [name, spread === undefined ? "" : flawOf(spread)]);
  if (found.some(([, flaw]) => flaw === "too few rounds")) return "too few rounds";
  const invalid = found.filter(([, flaw]) => flaw === "invalid").map(([name]) => name);
  return invalid.length === 0 ? "" : `invalid: ${invalid.join(", ")}`;
}

/** The ratios of one variant to another, each of one round; undefined without the other. */
export function ratio(values: readonly number[], others: readonly number[] | undefined): Spread | undefined {
  if (others === undefined) return undefined;
  return spreadOf(values.map((value, round) => value / (others[round] ?? NaN)));
}

export const twoDigits = (value: number): string => value.toFixed(2);
export const oneDigit = (value: number): string => value.toFixed(1);

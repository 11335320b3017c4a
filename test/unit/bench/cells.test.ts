import { expect, test } from "vitest";
import { cell, flaws, markdownTable, ratio } from "../../../bench/performance/cells.ts";
import { spreadOf } from "../../../bench/support/spread.ts";

test("writes a table of Markdown", () => {
  expect(markdownTable(["a", "b"], [["1", "2"], ["3", ""]])).toBe("| a | b |\n| --- | --- |\n| 1 | 2 |\n| 3 | |"); // prettier-ignore
  expect(() => markdownTable(["a", "b"], [["1"]])).toThrow(RangeError);
});

test("shows the median, and the quartiles if there are three rounds and more", () => {
  expect(cell(spreadOf([9.04, 9.52, 9.31, 9.8, 9.11]))).toBe("9.31 (9.11-9.52)");
  expect(cell(spreadOf([9, 10]))).toBe("9.50");
  expect(cell(undefined)).toBe("");
});

test("names the figures whose upper quartile is more than a tenth above the lower one", () => {
  const steady = spreadOf([10, 10.5, 11]);
  const wild = spreadOf([10, 10.5, 11.1]);
  expect(flaws({ us: steady, "x C": undefined })).toBe("");
  expect(flaws({ us: wild, "x C": steady, KiB: wild })).toBe("invalid: us, KiB");
  expect(flaws({ us: wild, "x C": spreadOf([1, 2]) })).toBe("too few rounds");
});

test("compares two variants round by round", () => {
  expect(ratio([10, 30, 24], [5, 10, 8])).toEqual({ median: 3, lower: 2, upper: 3, rounds: 3 });
  expect(ratio([10], undefined)).toBeUndefined();
});

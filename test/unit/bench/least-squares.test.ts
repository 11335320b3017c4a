import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { leastSquares } from "../../../bench/scale/least-squares.ts";

const ones = (count: number): number[] => Array.from({ length: count }, () => 1);

test("finds the line of a textbook example, with its standard errors", () => {
  // y = 1.4 x + 3.5 and a residual sum of squares of 4.2.
  const xs = [1, 2, 3, 4];
  const { coefficients, standardErrors } = leastSquares(
    xs.map((x) => [1, x]),
    [6, 5, 7, 10],
    ones(4),
  );
  expect(coefficients[0]).toBeCloseTo(3.5, 10);
  expect(coefficients[1]).toBeCloseTo(1.4, 10);
  expect(standardErrors[0]).toBeCloseTo(Math.sqrt(2.1 * (30 / 20)), 10);
  expect(standardErrors[1]).toBeCloseTo(Math.sqrt(2.1 / 5), 10);
});

test("finds the coefficients of exact data, whatever the scale of the columns", () => {
  const coefficient = fc.double({ min: -1000, max: 1000, noNaN: true });
  fc.assert(
    fc.property(fc.tuple(coefficient, coefficient, coefficient), ([a, b, c]) => {
      const rows = [1, 2, 5, 9, 20].flatMap((x) => [3, 7].map((y) => [1, x * 1e5, x * y * 1e-4]));
      const values = rows.map(([one = 0, x = 0, y = 0]) => a * one + b * x + c * y);
      const found = leastSquares(rows, values, ones(rows.length)).coefficients;
      const size = Math.max(1, ...values.map(Math.abs));
      for (const [i, row] of rows.entries()) {
        const again = row.reduce((sum, term, j) => sum + term * (found[j] ?? NaN), 0);
        expect(Math.abs(again - (values[i] ?? NaN)) / size).toBeLessThan(1e-9);
      }
    }),
    { numRuns: 50 },
  );
});

test("counts a measurement by its weight", () => {
  const rows = [[1], [1]];
  expect(leastSquares(rows, [1, 4], [1, 1]).coefficients[0]).toBeCloseTo(2.5, 12);
  // Weights multiply residuals, so they count by their squares: (1 * 1 + 4 * 4) / 5.
  expect(leastSquares(rows, [1, 4], [1, 2]).coefficients[0]).toBeCloseTo(17 / 5, 12);
});

test("has no standard errors without more measurements than columns", () => {
  const { coefficients, standardErrors } = leastSquares([[2]], [6], [1]);
  expect(coefficients[0]).toBeCloseTo(3, 12);
  expect(standardErrors).toEqual([NaN]);
});

describe("throws a RangeError for", () => {
  test.each([
    ["no measurement", [], [], []],
    ["measurements without terms", [[]], [1], [1]],
    ["rows of different lengths", [[1, 2], [1]], [1, 2], [1, 1]],
    ["a value too few", [[1], [1]], [1], [1, 1]],
    ["a weight too few", [[1], [1]], [1, 2], [1]],
    ["a column of zeros", [[1, 0], [2, 0], [3, 0]], [1, 2, 3], [1, 1, 1]], // prettier-ignore
    ["a column that depends on another", [[1, 3], [2, 6], [3, 9]], [1, 2, 3], [1, 1, 1]], // prettier-ignore
    ["fewer measurements than columns", [[1, 2]], [1], [1]],
  ])("%s", (_, rows, values, weights) => {
    expect(() => leastSquares(rows, values, weights)).toThrow(RangeError);
  });
});

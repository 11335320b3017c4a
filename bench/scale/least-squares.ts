/** A linear model that was fitted to measurements. */
export interface LinearFit {
  /** One for each column. */
  readonly coefficients: readonly number[];
  /** The standard error of each coefficient, from the weighted residuals. NaN if there are no more rows than columns. */
  readonly standardErrors: readonly number[];
}

/** A pivot below this share of a column that was scaled to length 1 is rounding error. */
const LEAST_PIVOT = 1e-10;

/**
 * Fits a linear model by weighted least squares, through the normal equations of columns that are scaled to length 1.
 *
 * @param rows The known terms of each measurement.
 * @param values What each measurement gave.
 * @param weights Multiplies the residual of each measurement, above 0: `1 / value` minimizes relative errors.
 * @throws {RangeError} if the lengths differ, or if a column depends on the others, so that the fit is not unique.
 */
export function leastSquares(
  rows: readonly (readonly number[])[],
  values: readonly number[],
  weights: readonly number[],
): LinearFit {
  const columns = rows[0]?.length ?? 0;
  const isSquare = rows.every((row) => row.length === columns);
  if (columns === 0 || !isSquare || values.length !== rows.length || weights.length !== rows.length) {
    throw new RangeError("Each measurement needs a value, a weight and the same number of terms.");
  }
  const weighted = rows.map((row, i) => row.map((term) => term * at(weights, i)));
  const targets = values.map((value, i) => value * at(weights, i));
  const lengths = Array.from({ length: columns }, (_, column) => Math.hypot(...weighted.map((row) => at(row, column))));
  if (lengths.includes(0)) throw new RangeError("A column has no term but 0: the fit is not unique.");
  const scaled = weighted.map((row) => row.map((term, column) => term / at(lengths, column)));
  const inverse = inverseOf(
    lengths.map((_, a) => lengths.map((__, b) => dot(scaled, (row) => at(row, a) * at(row, b)))),
  );
  const products = lengths.map((_, column) => dot(scaled, (row, i) => at(row, column) * at(targets, i)));
  const solution = inverse.map((row) => dot(row, (term, i) => term * at(products, i)));
  const squares = dot(scaled, (row, i) => (at(targets, i) - dot(row, (term, j) => term * at(solution, j))) ** 2);
  const variance = rows.length > columns ? squares / (rows.length - columns) : NaN;
  return {
    coefficients: solution.map((value, column) => value / at(lengths, column)),
    standardErrors: lengths.map((length, column) => Math.sqrt(variance * at(at(inverse, column), column)) / length),
  };
}

/** The inverse of a matrix, by Gauss-Jordan elimination with partial pivoting. */
function inverseOf(matrix: readonly (readonly number[])[]): readonly (readonly number[])[] {
  const size = matrix.length;
  const work = matrix.map((row, i) => [...row, ...row.map((_, j) => (i === j ? 1 : 0))]);
  for (let column = 0; column < size; column += 1) {
    const below = work.slice(column).map((row) => Math.abs(at(row, column)));
    const pivot = column + below.indexOf(Math.max(...below));
    if (!(Math.abs(at(at(work, pivot), column)) > LEAST_PIVOT)) {
      throw new RangeError("A column depends on the others: the fit is not unique.");
    }
    [work[column], work[pivot]] = [at(work, pivot), at(work, column)];
    const divisor = at(at(work, column), column);
    const pivotRow = at(work, column).map((value) => value / divisor);
    for (let i = 0; i < size; i += 1) {
      const factor = at(at(work, i), column);
      work[i] = i === column ? pivotRow : at(work, i).map((value, j) => value - factor * at(pivotRow, j));
    }
  }
  return work.map((row) => row.slice(size));
}

function dot<T>(values: readonly T[], term: (value: T, index: number) => number): number {
  return values.reduce((total, value, i) => total + term(value, i), 0);
}

function at<T>(values: readonly T[], index: number): T {
  return values[index] as T;
}

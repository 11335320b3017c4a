import { leastSquares } from "./least-squares.ts";

/** What one turn of the event loop sends: one message to each of some topics, whose subscribers are one group each. */
export interface Flush {
  readonly groups: number;
  /** The subscribers of all these groups together. */
  readonly subscribers: number;
  /** The bytes of each message. */
  readonly bytes: number;
}

/** The CPU time of a server process for a flush, as a sum of four terms. Microseconds, except for the bytes. */
export interface CostModel {
  /** Once for each flush: waking up, and the turn of the event loop. */
  readonly fixedUs: number;
  /** For each message to one topic, and the pass over its group. */
  readonly perGroupUs: number;
  /** For each subscriber: the write, without its bytes. */
  readonly perSubscriberUs: number;
  /** For each byte and subscriber, nanoseconds. */
  readonly perByteNs: number;
}

/** A flush whose cost was measured. */
export interface MeasuredFlush extends Flush {
  readonly cpuUs: number;
}

/** A measured flush beside what the model says. */
export interface Residual extends MeasuredFlush {
  readonly predictedUs: number;
  /** Predicted / measured - 1. */
  readonly error: number;
}

export interface CostFit {
  readonly model: CostModel;
  /** The standard error of each term. */
  readonly standardErrors: CostModel;
  readonly residuals: readonly Residual[];
  /** The root of the mean square of the relative errors. */
  readonly rmsError: number;
  /** The relative error that is farthest from 0. */
  readonly largestError: number;
}

const NS_PER_US = 1000;

/** What the model says a flush costs, in microseconds. */
export function predictUs(model: CostModel, { groups, subscribers, bytes }: Flush): number {
  return (
    model.fixedUs +
    model.perGroupUs * groups +
    model.perSubscriberUs * subscribers +
    (model.perByteNs / NS_PER_US) * bytes * subscribers
  );
}

/**
 * Fits the model so that the squares of the relative errors are least: a small flush counts as much as a large one.
 *
 * @throws {RangeError} if the flushes do not differ enough to tell the four terms from one another.
 */
export function fitCostModel(flushes: readonly MeasuredFlush[]): CostFit {
  const { coefficients, standardErrors } = leastSquares(
    flushes.map(({ groups, subscribers, bytes }) => [1, groups, subscribers, (subscribers * bytes) / NS_PER_US]),
    flushes.map(({ cpuUs }) => cpuUs),
    flushes.map(({ cpuUs }) => 1 / cpuUs),
  );
  const model = modelOf(coefficients);
  const residuals = flushes.map((flush) => {
    const predictedUs = predictUs(model, flush);
    return { ...flush, predictedUs, error: predictedUs / flush.cpuUs - 1 };
  });
  const errors = residuals.map(({ error }) => error);
  return {
    model,
    standardErrors: modelOf(standardErrors),
    residuals,
    rmsError: Math.sqrt(errors.reduce((sum, error) => sum + error ** 2, 0) / errors.length),
    largestError: errors.reduce((most, error) => (Math.abs(error) > Math.abs(most) ? error : most), 0),
  };
}

function modelOf(terms: readonly number[]): CostModel {
  const [fixedUs = NaN, perGroupUs = NaN, perSubscriberUs = NaN, perByteNs = NaN] = terms;
  return { fixedUs, perGroupUs, perSubscriberUs, perByteNs };
}

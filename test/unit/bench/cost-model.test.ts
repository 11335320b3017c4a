import { expect, test } from "vitest";
import { fitCostModel, predictUs, type CostModel, type Flush } from "../../../bench/scale/cost-model.ts";
import { fleetOf, predictFleet } from "../../../bench/scale/million.ts";
import { topicsOfClients, trafficOf } from "../../../bench/scale/traffic.ts";

const model: CostModel = { fixedUs: 150, perGroupUs: 20, perSubscriberUs: 8, perByteNs: 0.5 };
const flushes: readonly Flush[] = [1, 100].flatMap((groups) =>
  [100, 1000, 18_000].flatMap((subscribers) => [100, 2000].map((bytes) => ({ groups, subscribers, bytes }))),
);

test("predicts the sum of the four terms", () => {
  expect(predictUs(model, { groups: 3, subscribers: 1000, bytes: 100 })).toBeCloseTo(150 + 60 + 8000 + 50, 9);
});

test("fits the model that the measurements were made by", () => {
  const measured = flushes.map((flush) => ({ ...flush, cpuUs: predictUs(model, flush) }));
  const fit = fitCostModel(measured);
  for (const name of Object.keys(model) as (keyof CostModel)[]) expect(fit.model[name]).toBeCloseTo(model[name], 6);
  expect(fit.rmsError).toBeLessThan(1e-9);
});

test("reports the errors of measurements that do not fit, and lets small flushes count as much as large ones", () => {
  // The largest flushes take a third more: by absolute errors they alone would decide.
  const measured = flushes.map((flush) => ({
    ...flush,
    cpuUs: predictUs(model, flush) * (flush.subscribers > 10_000 ? 4 / 3 : 1),
  }));
  const fit = fitCostModel(measured);
  const small = fit.residuals.filter(({ subscribers }) => subscribers === 100);
  const large = fit.residuals.filter(({ subscribers }) => subscribers > 10_000);
  expect(small.every(({ error }) => Math.abs(error) < 0.1)).toBe(true);
  expect(large.every(({ error }) => error < -0.05)).toBe(true);
  expect(Math.abs(fit.largestError)).toBe(Math.max(...fit.residuals.map(({ error }) => Math.abs(error))));
  expect(fit.rmsError).toBeGreaterThan(0.05);
  expect(fit.standardErrors.perSubscriberUs).toBeGreaterThan(0);
});

test("throws if the flushes cannot tell the terms apart", () => {
  const same = [1, 2, 3, 4, 5].map((i) => ({ groups: 1, subscribers: i * 100, bytes: 100, cpuUs: i * 1000 }));
  expect(() => fitCostModel(same)).toThrow(RangeError);
});

test("spreads a million subscribers over as many processes as they need", () => {
  const memory = { emptyBytes: 1000, idleBytes: 10, kernelBytes: 4 };
  const fleet = fleetOf(memory, 1_000_000, 18_000);
  expect(fleet).toEqual({
    processes: 56,
    subscribers: 17_858,
    processBytes: 56_000 + 10_000_000,
    kernelBytes: 4_000_000,
  });
  const { cores, share, flushMs } = predictFleet(model, fleet, { flushesPerSecond: 2, groups: 10, bytes: 100 });
  const flushUs = 150 + 200 + 17_858 * 8 + 17_858 * 0.05;
  expect(flushMs).toBeCloseTo(flushUs / 1000, 9);
  expect(share).toBeCloseTo((2 * flushUs) / 1e6, 9);
  expect(cores).toBeCloseTo(56 * share, 9);
});

test("makes the same traffic from the same seed, with a subscriber for each topic", () => {
  const spec = { seed: 7, subscribers: 1000, topics: 90, turns: 200, bytes: [60, 1500] as const };
  const traffic = trafficOf(spec);
  expect(trafficOf(spec)).toEqual(traffic);
  expect(trafficOf({ ...spec, seed: 8 })).not.toEqual(traffic);
  expect(traffic.sizes).toHaveLength(90);
  expect(traffic.sizes.reduce((sum, size) => sum + size, 0)).toBe(1000);
  expect(Math.min(...trafficOf({ ...spec, subscribers: 100 }).sizes)).toBe(1);
  // Zipf's law: the largest of 90 topics has a fifth of what is left after one subscriber each.
  expect(Math.max(...traffic.sizes)).toBeGreaterThan(150);
  for (const { topics, bytes } of traffic.turns) {
    expect(topics >= 1 && topics <= 90 && bytes >= 60 && bytes <= 1500, `${topics}, ${bytes}`).toBe(true);
  }
  expect(new Set(traffic.turns.map(({ topics }) => topics)).size).toBeGreaterThan(40);
  const topics = topicsOfClients(traffic.sizes);
  expect(traffic.sizes.map((_, topic) => topics.filter((one) => one === topic).length)).toEqual(traffic.sizes);
  expect(() => trafficOf({ ...spec, topics: 1001 })).toThrow(RangeError);
});

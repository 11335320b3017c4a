import { afterEach, expect, test, vi } from "vitest";
import { PackingBudget } from "../../../../src/hub/packing/packing-budget.ts";

let time = 0;

afterEach(() => vi.restoreAllMocks());

test("a budget allows a share of the time, and saves up so much of it", () => {
  vi.spyOn(performance, "now").mockImplementation(() => time);
  const budget = new PackingBudget(0.1, 20);
  expect(budget.isLeft).toBe(true);
  budget.spend(25);
  expect(budget.isLeft).toBe(false);
  time += 49;
  expect(budget.isLeft).toBe(false);
  time += 2;
  expect(budget.isLeft).toBe(true);
  time += 1_000_000;
  expect(budget.isLeft).toBe(true);
  budget.spend(20);
  expect(budget.isLeft).toBe(false);
});

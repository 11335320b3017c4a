import { afterEach, expect, test, vi } from "vitest";
import { Backoff } from "../../../src/core/backoff.ts";

afterEach(() => void vi.restoreAllMocks());

/** Makes `Math.random` return one value, so that a delay is that fraction of its bound. */
function stubRandom(value: number): void {
  vi.spyOn(Math, "random").mockReturnValue(value);
}

function delays(backoff: Backoff, count: number): number[] {
  return Array.from({ length: count }, () => backoff.next());
}

test("doubles the bound of the delay with each failure, up to the maximum", () => {
  stubRandom(1);
  expect(delays(new Backoff({ firstMs: 100, maxMs: 1000 }), 6)).toEqual([100, 200, 400, 800, 1000, 1000]);
});

test("spreads each delay over its whole range, from 0", () => {
  stubRandom(0);
  expect(delays(new Backoff({ firstMs: 100, maxMs: 1000 }), 6)).toEqual([0, 0, 0, 0, 0, 0]);
  stubRandom(0.25);
  expect(delays(new Backoff({ firstMs: 100, maxMs: 1000 }), 5)).toEqual([25, 50, 100, 200, 250]);
});

test("draws each delay anew", () => {
  const random = vi.spyOn(Math, "random");
  for (const value of [0.5, 0.125, 0.75]) random.mockReturnValueOnce(value);
  expect(delays(new Backoff({ firstMs: 8, maxMs: 1000 }), 3)).toEqual([4, 2, 24]);
});

test("never exceeds a maximum that is smaller than the first bound", () => {
  stubRandom(1);
  expect(delays(new Backoff({ firstMs: 100, maxMs: 10 }), 2)).toEqual([10, 10]);
});

test("stays at the maximum after any number of failures", () => {
  stubRandom(1);
  const backoff = new Backoff({ firstMs: 1, maxMs: 5000 });
  expect(delays(backoff, 5000).at(-1)).toBe(5000);
});

test("starts from the first bound after a reset", () => {
  stubRandom(1);
  const backoff = new Backoff({ firstMs: 100, maxMs: 1000 });
  delays(backoff, 4);
  backoff.reset();
  expect(delays(backoff, 2)).toEqual([100, 200]);
});

test("counts the failures of each series separately", () => {
  stubRandom(1);
  const [one, other] = [new Backoff({ firstMs: 1, maxMs: 8 }), new Backoff({ firstMs: 1, maxMs: 8 })];
  delays(one, 3);
  expect([one.next(), other.next()]).toEqual([8, 1]);
});

import { expect, test } from "vitest";
import { checkCompressionResults, type CompressionResult } from "../../support/compression-results.ts";

/** The results of a run of many files that have sent compressed responses, and of one more. */
const runWith = (last: Partial<CompressionResult>): CompressionResult[] => [
  ...Array.from({ length: 20 }, (_, i) => ({ file: `${i}.test.ts`, packed: 0, writes: 1 })),
  { file: "last.test.ts", packed: 1, writes: 1, ...last },
];

test("a run with compression fails if it has packed nothing, or if a file has compressed nothing", () => {
  checkCompressionResults(runWith({}));
  expect(() => checkCompressionResults(runWith({ packed: 0 }))).toThrow("packed nothing");
  expect(() => checkCompressionResults(runWith({ writes: 0 }))).toThrow("no compressed response: last.test.ts.");
});

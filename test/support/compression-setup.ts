/** Fails the run of the project `compressed` if it has compressed nothing. */
import {
  checkCompressionResults,
  clearCompressionResults,
  packedIn,
  readCompressionResults,
} from "./compression-results.ts";

export function setup(): void {
  clearCompressionResults();
}

export function teardown(): void {
  const results = readCompressionResults();
  if (results === undefined) return;
  const writes = results.reduce((sum, { writes }) => sum + writes, 0);
  console.log(`compression: ${packedIn(results)} packed blocks, ${writes} writes of compressed responses`);
  checkCompressionResults(results);
}

import { appendFileSync, mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { root } from "./run.ts";

/** The counts of the project `compressed`: a line of JSON for each file of tests. */
const resultsFile = join(root, "test-results/compression.ndjson");

/** The most files of a run that was chosen by hand. Some of them may compress nothing. */
const MOST_CHOSEN_FILES = 10;

/** What the tests of one file have sent compressed. */
export interface CompressionResult {
  readonly file: string;
  /** The passes and pieces of backlogs that were packed. */
  readonly packed: number;
  /** The writes of compressed responses. */
  readonly writes: number;
}

/** Removes the counts of an earlier run. */
export function clearCompressionResults(): void {
  mkdirSync(join(root, "test-results"), { recursive: true });
  rmSync(resultsFile, { force: true });
}

export function addCompressionResult(result: CompressionResult): void {
  appendFileSync(resultsFile, `${JSON.stringify(result)}\n`);
}

/** Reads the counts of the last run; `undefined` where it did not have the project `compressed`. */
export function readCompressionResults(): CompressionResult[] | undefined {
  try {
    const lines = readFileSync(resultsFile, "utf8").trim().split("\n");
    return lines.map((line) => JSON.parse(line) as CompressionResult);
  } catch {
    return undefined;
  }
}

/** Returns the number of packed passes and pieces of all files. */
export function packedIn(results: readonly CompressionResult[]): number {
  return results.reduce((sum, { packed }) => sum + packed, 0);
}

/**
 * Checks that a run of the project has tested compression.
 *
 * @throws An error if nothing was packed, or if a file has no compressed response: it does not belong into the project.
 */
export function checkCompressionResults(results: readonly CompressionResult[]): void {
  if (results.length <= MOST_CHOSEN_FILES) return;
  if (packedIn(results) === 0) throw new Error("The tests of the project `compressed` have packed nothing.");
  const plain = results.filter(({ writes }) => writes === 0).map(({ file }) => file);
  if (plain.length > 0) throw new Error(`These files have no compressed response: ${plain.join(", ")}.`);
}

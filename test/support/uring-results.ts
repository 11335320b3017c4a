import { mkdirSync, readFileSync, rmSync } from "node:fs";
import { join } from "node:path";
import { root } from "./run.ts";

/** The counts of the project `uring`: a line of JSON for each file of tests. */
export const uringResults: string = join(root, "test-results/uring.ndjson");

/** Forgets the counts of an earlier run. */
export function clearUringResults(): void {
  mkdirSync(join(root, "test-results"), { recursive: true });
  rmSync(uringResults, { force: true });
}

/** What the tests on a ring have sent by it. */
export interface UringResults {
  readonly files: number;
  readonly sends: number;
  /** Why they had no ring, if so. */
  readonly reason: string | undefined;
}

/** Reads the counts of the last run; `undefined` where it did not have the project `uring`. */
export function readUringResults(): UringResults | undefined {
  let lines: readonly { readonly sends: number; readonly reason?: string }[];
  try {
    const text = readFileSync(uringResults, "utf8").trim();
    lines = text.split("\n").map((line) => JSON.parse(line) as (typeof lines)[number]);
  } catch {
    return undefined;
  }
  const sends = lines.reduce((sum, line) => sum + line.sends, 0);
  return { files: lines.length, sends, reason: lines.find((line) => line.reason !== undefined)?.reason };
}

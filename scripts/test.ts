/**
 * The whole default test suite: packages of the system, build, types, lint, and every test. Ends with a line of counts,
 * in which build, types and lint count as one check each, and which says whether io_uring and compression were tested.
 */
import { spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { readFileSync, rmSync } from "node:fs";
import { clearCompressionResults, packedIn, readCompressionResults } from "../test/support/compression-results.ts";
import { ensureSystemPackages, systemNeeds } from "../test/support/system-packages.ts";
import { clearUringResults, readUringResults } from "../test/support/uring-results.ts";

interface Counts {
  passed: number;
  failed: number;
  skipped: number;
}

/** The part of Vitest's JSON report that is read here. */
interface Report {
  readonly success: boolean;
  readonly numPassedTests: number;
  readonly numFailedTests: number;
  readonly numPendingTests: number;
  readonly numTodoTests: number;
  readonly numFailedTestSuites: number;
  readonly testResults: readonly {
    readonly name: string;
    readonly message: string;
    readonly status: string;
    readonly assertionResults: readonly {
      readonly status: string;
      readonly fullName: string;
      readonly failureMessages: readonly string[];
    }[];
  }[];
}

/** The characters of a failure's message that its summary shows. */
const SUMMARY_LENGTH = 600;

const reportFile = "test-results/vitest.json";
const counts: Counts = { passed: 0, failed: 0, skipped: 0 };

function step(title: string, program: string, args: readonly string[]): boolean {
  const start = performance.now();
  console.log(`\n> ${title}`);
  const { status, error } = spawnSync(program, args, { stdio: "inherit" });
  if (error !== undefined) console.error(error.message);
  console.log(`  ${status === 0 ? "passed" : "FAILED"} in ${((performance.now() - start) / 1000).toFixed(1)} s`);
  return status === 0;
}

/** A check besides the tests: its title, and its command. */
type Check = readonly [title: string, program: string, ...args: string[]];

/** Runs checks of one thread each, two at a time, and prints the output of each when it is over. */
async function check(...checks: readonly Check[]): Promise<void> {
  const waiting = [...checks];
  const worker = async (): Promise<void> => {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift()) await checkOne(next);
  };
  await Promise.all([worker(), worker()]);
}

async function checkOne([title, program, ...args]: Check): Promise<void> {
  const start = performance.now();
  const child = spawn(program, args, { stdio: ["ignore", "pipe", "pipe"] });
  let output = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (data) => (output += String(data)));
  const [status] = await once(child, "close").catch((error: unknown) => {
    output += String(error);
    return [1];
  });
  console.log(`\n> ${title}\n${output}`.trimEnd());
  console.log(`  ${status === 0 ? "passed" : "FAILED"} in ${((performance.now() - start) / 1000).toFixed(1)} s`);
  counts[status === 0 ? "passed" : "failed"] += 1;
}

function tests(): void {
  rmSync(reportFile, { force: true });
  const reporters = ["--reporter=default", "--reporter=json", `--outputFile.json=${reportFile}`];
  const ran = step("tests", "vitest", ["run", ...reporters, ...process.argv.slice(2)]);
  let report: Report;
  try {
    report = JSON.parse(readFileSync(reportFile, "utf8")) as Report;
  } catch {
    counts.failed += 1;
    return;
  }
  const skipped = report.testResults.flatMap(({ assertionResults }) =>
    assertionResults.filter(({ status }) => status !== "passed" && status !== "failed").map(({ fullName }) => fullName),
  );
  for (const name of skipped) console.log(`  skipped: ${name}`);
  // The end of a log names what has failed.
  for (const { name, message, status, assertionResults } of report.testResults) {
    const failed = assertionResults.filter((test) => test.status === "failed");
    for (const { fullName, failureMessages } of failed) {
      console.log(`  failed: ${name}: ${fullName}\n    ${failureMessages.join(" ").slice(0, SUMMARY_LENGTH)}`);
    }
    if (status === "failed" && failed.length === 0) {
      console.log(`  failed: ${name}\n    ${message.slice(0, SUMMARY_LENGTH)}`);
    }
  }
  counts.passed += report.numPassedTests;
  counts.skipped += skipped.length;
  // A file that could not be loaded has no tests to count, and an error outside of any test fails the run as well.
  counts.failed += Math.max(report.numFailedTests, ran && report.success ? 0 : 1);
}

/** The part of the last line that says whether tests ran on a ring of io_uring. */
function onRing(): string {
  const results = readUringResults();
  if (results === undefined) return "";
  const { sends, reason } = results;
  return reason === undefined ? `; ${sends} sends by io_uring` : `; nothing ran on io_uring: ${reason}`;
}

/** The part of the last line that says how much the tests have packed where hubs compress for everybody. */
function onGzip(): string {
  const results = readCompressionResults();
  return results === undefined ? "" : `; ${packedIn(results)} blocks of gzip`;
}

try {
  await ensureSystemPackages(systemNeeds);
} catch (error) {
  console.error((error as Error).message);
  console.log("\n0 passed, 1 failed, 0 skipped");
  process.exit(1);
}
clearUringResults();
clearCompressionResults();
// The examples import the package, so their types need a build.
await check(["build", "node", "scripts/build.ts"]);
await check(
  ["lint", "eslint", "."],
  ["types: web standards alone", "tsc", "-p", "tsconfig.web.json"],
  ["types: everything", "tsc", "-p", "tsconfig.json"],
  ["imports", "depcruise", "src", "--output-type", "err"],
  ["format", "prettier", "--check", "--log-level", "warn", "."],
);
tests();

const skipsFail = process.env["CI"] === "true" && counts.skipped > 0;
if (skipsFail) console.error("\nSkipped tests fail the run where CI=true.");
console.log(`\n${counts.passed} passed, ${counts.failed} failed, ${counts.skipped} skipped${onRing()}${onGzip()}`);
process.exitCode = counts.failed > 0 || skipsFail ? 1 : 0;

/**
 * The benchmark of the stream library against what else there is: `npm run bench:streams [-- --quick]`. Prints tables, and
 * writes all figures to test-results/bench-streams.json. Every variant and round has a process of its own, in which the result
 * is checked and the code is warm before anything is timed. Ratios are of CPU time, and within this one run.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { inFreshProcess } from "../support/fresh-process.ts";
import { machine } from "../support/machine.ts";
import { inRounds } from "../support/rounds.ts";
import { catalogue } from "./catalogue.ts";
import type { First } from "./first/main.ts";
import { firstTable, speedTable } from "./report.ts";
import { resultsOf } from "./results.ts";
import type { Measurement } from "./variant.ts";

const outFile = "test-results/bench-streams.json";

const { quick } = parseArgs({ options: { quick: { type: "boolean", default: false } } }).values;
const rounds = quick ? 3 : 11;
const warmUpMs = quick ? 200 : 400;
const timedMs = quick ? 250 : 500;

const { node, cpu, cores } = machine();
console.log(
  `Node ${node}, ${cpu}, ${cores} cores; ${rounds} rounds, each ${warmUpMs} ms of warm-up and at least ${timedMs} ms timed.`,
);

const measured = await inRounds(catalogue, rounds, async ({ title }) => {
  const args = [title, String(warmUpMs), String(timedMs)];
  return (await inFreshProcess(new URL("variant.ts", import.meta.url), args)) as Measurement;
});
const sync = resultsOf("sync", measured);
const mixed = resultsOf("mixed", measured);
const waiting = resultsOf("waiting", measured);
const first = (await inFreshProcess(new URL("first/main.ts", import.meta.url), [])) as readonly First[];

console.log(`\nA source at hand: counter -> map -> map -> filter -> checksum\n\n${speedTable(sync)}`);
console.log(`\nThe same, in a process that has run many other pipelines before\n\n${speedTable(mixed)}`);
console.log(`\nA source whose every element is a promise, through the same operators\n\n${speedTable(waiting)}`);
console.log(`\nThe first element\n\n${firstTable(first)}`);

mkdirSync("test-results", { recursive: true });
writeFileSync(
  outFile,
  `${JSON.stringify({ node, cpu, cores, rounds, warmUpMs, timedMs, sync, mixed, waiting, first }, undefined, 2)}\n`,
);
console.log(`\nAll figures: ${outFile}`);

/**
 * Measures every figure of docs/performance.md in one run, and writes the tables of that page, the sizing of docs/deployment.md, the figures
 * of the README and the chart: `npm run bench:performance [-- --quick]`. A complete run takes about a quarter of an hour on two cores with
 * nothing else to do. It also writes bench-results/performance.json; `-- --write` writes the documents from that file again, after a change
 * of their text. `-- --rounds=n` measures each section in so many rounds.
 */
import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { ensureSystemPackages } from "../../test/support/system-packages.ts";
import { writeChart } from "../fanout/chart.ts";
import type { Options, Pace } from "../fanout/options.ts";
import { backlog } from "../fanout/sections/backlog.ts";
import { connect } from "../fanout/sections/connect.ts";
import { delay } from "../fanout/sections/delay.ts";
import { encoding } from "../fanout/sections/encoding.ts";
import { fanout } from "../fanout/sections/fanout.ts";
import { http2 } from "../fanout/sections/http2.ts";
import { memory } from "../fanout/sections/memory.ts";
import { scale } from "../fanout/sections/scale.ts";
import { describeRun, startedRun } from "../support/run.ts";
import { checkDocuments, writeDocuments } from "./documents.ts";
import type { Results } from "./results.ts";

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    write: { type: "boolean", default: false },
    rounds: { type: "string" },
  },
});
const asked = values.rounds === undefined ? undefined : Number(values.rounds);
if (asked !== undefined && !(Number.isInteger(asked) && asked > 0)) throw new RangeError("--rounds: 1 or more.");

const folder = new URL("../../bench-results/", import.meta.url);
const file = new URL("performance.json", folder);
const cores = [0, Math.min(1, availableParallelism() - 1)] as const;

/** Runs a section, and prints how long it took. */
async function measure<Found>(
  section: { readonly name: string; readonly run: (options: Options) => Promise<Found> },
  pace: Pace,
  rounds: number,
): Promise<Found> {
  const start = performance.now();
  const found = await section.run({
    pace: values.quick ? "quick" : pace,
    rounds: asked ?? (values.quick ? 1 : rounds),
    cores,
    sections: [],
    against: undefined,
    wants: () => true,
  });
  console.log(`\n[${section.name}: ${((performance.now() - start) / 1000).toFixed(0)} s]`);
  return found;
}

async function measureAll(): Promise<Results> {
  const run = startedRun(values.quick);
  console.log(describeRun(run));
  console.log(
    values.quick
      ? "It takes about four minutes on two quiet cores."
      : "It takes about a quarter of an hour on two quiet cores.",
  );
  const start = performance.now();
  await ensureSystemPackages(["nginx", "nchan"]).catch(console.warn);
  const found = {
    run,
    // The fan-out has few publishes in each round, and so more rounds in the same time.
    fanout: await measure(fanout, "quick", 5),
    delay: await measure(delay, "quick", 3),
    http2: await measure(http2, "quick", 3),
    memory: await measure(memory, "usual", 3),
    connect: await measure(connect, "usual", 5),
    backlog: await measure(backlog, "quick", 5),
    encoding: await measure(encoding, "quick", 5),
    scale: await measure(scale, "usual", 3),
  };
  return { ...found, minutes: (performance.now() - start) / 60_000 };
}

checkDocuments();
mkdirSync(folder, { recursive: true });
let results: Results;
if (values.write) results = JSON.parse(readFileSync(file, "utf8")) as Results;
else {
  results = await measureAll();
  writeFileSync(file, `${JSON.stringify(results, undefined, 2)}\n`);
}
const written = writeDocuments(results);
writeChart(results.fanout.loads, describeRun(results.run), "docs");
console.log(
  `\nWritten: ${[...written, "docs/bench-fanout.svg"].join(", ")}. The run took ${results.minutes.toFixed(1)} minutes.`,
);

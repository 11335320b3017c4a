/**
 * The benchmark of the client in browsers: `npm run bench:browsers [-- --quick]`, forty minutes, or twenty. How many events of
 * 100 bytes a second reach a page's handler over each wire of the client, beside a plain `EventSource`, a bare `fetch` reader and a
 * plain iframe on the same hub. Every event has to be the next one, or the run fails; the clock is the page's, and runs from one event
 * to another. Every way and round has a browser and a server process of its own. Prints tables for each browser: the medians and
 * quartiles of the rates, and those of the ratios to the `EventSource` and to the reader of the same round. It writes
 * bench-results/browsers.json.
 *
 * There are two loads. *Out of the log*: the hub has all events before the page comes, and has encoded them, so it does nothing but
 * write large frames. *One a turn*: each event is published in its own turn of the event loop, and so is a frame of its own, while the
 * page is no more than 4,000 behind.
 */
import { build } from "esbuild";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { browserNeeds } from "../../test/support/browsers/browser.ts";
import { ensureSystemPackages } from "../../test/support/system-packages.ts";
import { machine } from "../support/machine.ts";
import { inRounds } from "../support/rounds.ts";
import { median, quantile } from "../../test/support/statistics.ts";
import { table } from "../../test/support/table.ts";
import { readOptions } from "./options.ts";
import { trial, type Load, type Measured, type Measurement } from "./trial.ts";
import type { Way } from "./ways.ts";

const loads: { readonly [load in Load]: string } = { logged: "out of the log", live: "one a turn" };

type Rounds = readonly Record<Load, Measurement>[];

const thousands = (value: number): string => (value / 1000).toFixed(value < 100_000 ? 1 : 0);

/** A median and its quartiles. */
function spread(values: readonly number[], format: (value: number) => string): string {
  if (values.length === 0) return "";
  const [low, high] = [0.25, 0.75].map((share) => format(quantile(values, share)));
  return `${format(median(values))} (${low}-${high})`;
}

/** The ratios of a way to another one, each of one round. */
function ratios(rounds: Rounds, others: Rounds | undefined, load: Load): number[] {
  return rounds.flatMap((round, index) => {
    const other = others?.[index]?.[load]?.eventsASecond;
    return other === undefined ? [] : (round[load] as Measured).eventsASecond / other;
  });
}

/** The cells of one load: the rate, its ratios to the `EventSource` and the reader of each round, and the server's share of a core. */
function cells(rounds: Rounds, load: Load, references: readonly (Rounds | undefined)[]): string[] {
  const measured = rounds.flatMap((round) => round[load] ?? []);
  if (measured.length < rounds.length) return ["too slow", `${measured.length} of ${rounds.length} came`];
  const frames = measured.flatMap(({ eventsAFrame }) => eventsAFrame ?? []);
  return [
    spread(
      measured.map(({ eventsASecond }) => eventsASecond),
      thousands,
    ),
    ...references.map((others) => spread(ratios(rounds, others, load), (value) => value.toFixed(2))),
    frames.length === 0 ? "" : median(frames).toFixed(1),
    `${(median(measured.map(({ serverShare }) => serverShare)) * 100).toFixed(0)} %`,
  ];
}

function tableOf(results: ReadonlyMap<Way, Rounds>, load: Load): string {
  const references = ["eventSource", "reader"].map((name) => [...results].find(([way]) => way.name === name)?.[1]);
  const rows = [...results].map(([way, rounds]) => [way.title, ...cells(rounds, load, references)]);
  return table([loads[load], "1,000/s", "x EventSource", "x fetch reader", "events a frame", "server's core"], rows);
}

const start = performance.now();
const options = readOptions(process.argv.slice(2));
const { node, cpu, cores } = machine();
console.log(`Node ${node}, ${cpu}, ${cores} cores; ${options.rounds} rounds.`);
await ensureSystemPackages(options.browsers.flatMap((name) => browserNeeds[name]));
const folder = mkdtempSync(join(tmpdir(), "comet-bench-"));
process.on("exit", () => rmSync(folder, { recursive: true }));
const script = join(folder, "page.js");
await build({
  entryPoints: [fileURLToPath(new URL("page.ts", import.meta.url))],
  bundle: true,
  minify: true,
  format: "iife",
  target: "es2022",
  outfile: script,
});
const found: Record<string, unknown> = {};
for (const browser of options.browsers) {
  const results = await inRounds(options.ways, options.rounds, (way) => trial(browser, way, options, script));
  found[browser] = Object.fromEntries([...results].map(([{ name }, rounds]) => [name, rounds]));
  for (const load of Object.keys(loads) as Load[]) console.log(`\n${browser}\n${tableOf(results, load)}`);
}
const json = JSON.stringify({ node, cpu, cores, ...options, found }, undefined, 2);
const into = new URL("../../bench-results/", import.meta.url);
mkdirSync(into, { recursive: true });
writeFileSync(new URL("browsers.json", into), `${json}\n`);
console.log(
  `\nAll figures: bench-results/browsers.json. It took ${((performance.now() - start) / 1000).toFixed(0)} s.`,
);

/**
 * The benchmark of runtimes: `npm run bench:runtimes [-- --quick] [--only=bun,deno] [--rounds=n] [--cores=server,load]`. CPU time of the
 * server process for each delivery, by `hub.fetch` and by the runtime's adapter, beside a control without a hub and the runtime's
 * WebSocket, in pairs. Prints a table, and writes bench-results/runtimes.json. Ratios are valid within one run only.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { availableParallelism, loadavg } from "node:os";
import { parseArgs } from "node:util";
import { releases } from "../../test/support/runtimes/install.ts";
import { median, quantile } from "../../test/support/statistics.ts";
import { figure, table } from "../../test/support/table.ts";
import { inFreshProcess } from "../support/fresh-process.ts";
import { machine } from "../support/machine.ts";
import { verdict } from "../support/verdict.ts";
import type { PairResult } from "../fanout/trials/take-turns.ts";
import type { RuntimePairSpec } from "./pair.ts";
import { commandOf, comparisons, runtimeNames, type RuntimeName } from "./ways.ts";

const LEAST_PAIRS = 7;
const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    only: { type: "string" },
    rounds: { type: "string" },
    cores: { type: "string" },
  },
});
const only = values.only?.split(",") ?? runtimeNames;
const pairs = Number(values.rounds ?? (values.quick ? 1 : LEAST_PAIRS));
const [server = 0, load = Math.min(1, availableParallelism() - 1)] = values.cores?.split(",").map(Number) ?? [];
const connections = values.quick ? 200 : 1000;
const common = { bytes: 100, warmUps: 30, intervalMs: 1 };
const loads = [
  { ...common, name: "one", title: "one a flush", perTurn: 1, publishes: 60 },
  { ...common, name: "ten", title: "ten a flush", perTurn: 10, publishes: 60 },
];
const titles: { readonly [runtime in RuntimeName]: string } = {
  node: `Node ${process.version.slice(1)}`,
  bun: `Bun ${releases.bun}`,
  deno: `Deno ${releases.deno}`,
};

const start = performance.now();
const { node, cpu, cores } = machine();
const before = (loadavg()[0] as number).toFixed(1);
console.log(`${cpu}, ${cores} cores; ${connections} connections, ${pairs} pairs. Load average before: ${before}.`);

const rows = comparisons
  .filter(({ runtime }) => only.includes(runtime))
  .flatMap((comparison) => loads.map((one) => ({ comparison, load: one, costs: [] as (readonly number[])[] })));
// The runtimes are installed before anything is measured.
for (const { comparison } of rows) await commandOf(comparison.runtime);
for (let pair = 0; pair < pairs; pair += 1) {
  const isReversed = pair % 2 === 1;
  for (const comparison of new Set(rows.map((row) => row.comparison))) {
    const { runtime, way, control } = comparison;
    const ways = isReversed ? [control, way] : [way, control];
    const spec: RuntimePairSpec = { runtime, ways, cores: [server, load], connections, loads };
    const found = (await inFreshProcess(
      new URL("pair.ts", import.meta.url),
      [JSON.stringify(spec)],
      load,
    )) as PairResult;
    for (const row of rows.filter((one) => one.comparison === comparison)) {
      const costs = found[row.load.name] ?? [];
      row.costs.push(isReversed ? costs.toReversed() : costs);
    }
  }
}

const results = rows.map(({ comparison, load: { title }, costs }) => {
  const [own, controls] = [0, 1].map((side) => costs.map((pair) => pair[side] ?? NaN)) as [number[], number[]];
  const ratios = own.map((cpuUs, i) => cpuUs / (controls[i] ?? NaN));
  const [ratio, lower, upper] = [median(ratios), quantile(ratios, 0.25), quantile(ratios, 0.75)];
  return { ...comparison, title, ownUs: median(own), controlUs: median(controls), ratios, ratio, lower, upper };
});
const lines = results.map(({ runtime, way, control, title, ownUs, controlUs, ratio, lower, upper }) => [
  `${titles[runtime]}, ${way} beside ${control}, ${title}`,
  figure(ownUs),
  figure(controlUs),
  ratio.toFixed(3),
  `${lower.toFixed(3)}-${upper.toFixed(3)}`,
  verdict(ratio, lower, upper),
]);
console.log(`\nCPU us for each delivery\n\n${table(["", "ours", "control", "ratio", "quartiles", ""], lines)}`);
const folder = new URL("../../bench-results/", import.meta.url);
mkdirSync(folder, { recursive: true });
const json = JSON.stringify({ node, cpu, cores, loadBefore: before, connections, pairs, rows: results }, undefined, 2);
writeFileSync(new URL("runtimes.json", folder), `${json}\n`);
console.log(
  `\nAll figures: bench-results/runtimes.json. It took ${((performance.now() - start) / 1000).toFixed(0)} s.`,
);

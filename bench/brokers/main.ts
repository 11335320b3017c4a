/**
 * The benchmark of hubs in several processes, on real servers that it starts: `npm run bench:brokers [-- --quick]`. Prints a table for each
 * section and writes bench-results/brokers-<section>.json. Every way and round has processes of its own, server included: what is
 * measured on one core, all else on another; medians over the rounds, which take turns; ratios only within one round.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { loadavg } from "node:os";
import { ensureSystemPackages } from "../../test/support/system-packages.ts";
import { machine } from "../support/machine.ts";
import { isPinning } from "../support/pinned.ts";
import { needsOf } from "./engines.ts";
import { readOptions, type Options, type SectionName } from "./options.ts";
import { delivering } from "./sections/delivering.ts";
import { fanout } from "./sections/fanout.ts";
import { latency } from "./sections/latency.ts";
import { publishing } from "./sections/publishing.ts";
import { scaling } from "./sections/scaling.ts";

const sections: { readonly [name in SectionName]: (options: Options) => Promise<object> } = {
  latency,
  publishing,
  delivering,
  fanout,
  scaling,
};
const folder = new URL("../../bench-results/", import.meta.url);

const start = performance.now();
const options = readOptions(process.argv.slice(2));
const { node, cpu, cores } = machine();
const where = isPinning()
  ? `the measured process on core ${options.cores[0]}, clients, engine and publisher on core ${options.cores[1]}`
  : "processes are not pinned to cores";
const before = (loadavg()[0] as number).toFixed(1);
console.log(`Node ${node}, ${cpu}, ${cores} cores; ${where}. Load average before: ${before}.`);

const isScaling = options.sections.includes("scaling");
await ensureSystemPackages(needsOf(isScaling ? [...options.engines, "redis"] : options.engines));
mkdirSync(folder, { recursive: true });
for (const name of options.sections) {
  const found = await sections[name](options);
  const json = JSON.stringify(
    { node, cpu, cores, isQuick: options.isQuick, loadBefore: before, ...found },
    undefined,
    2,
  );
  writeFileSync(new URL(`brokers-${name}.json`, folder), `${json}\n`);
}
console.log(
  `\nAll figures: bench-results/brokers-*.json. It took ${((performance.now() - start) / 1000).toFixed(0)} s.`,
);

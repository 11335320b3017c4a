/**
 * The benchmark of delivery on Node, beside other libraries and controls: `npm run bench [-- --quick]`. Prints a table for each
 * section, and writes bench-results/<section>.json and the chart bench-results/fanout.svg. Every variant and round has a
 * server process of its own, on one core, and a load generator of its own, on another. Figures are medians over the rounds; ratios are
 * valid within one run only. With `--against=<dist>` it compares this build with another one instead, in pairs.
 */
import { mkdirSync, writeFileSync } from "node:fs";
import { machine } from "../support/machine.ts";
import { ensureSystemPackages } from "../../test/support/system-packages.ts";
import { isPinning } from "../support/pinned.ts";
import { catalogue } from "./catalogue.ts";
import { readOptions, usage, type Options } from "./options.ts";
import { against } from "./sections/against.ts";
import { backlog } from "./sections/backlog.ts";
import { connect } from "./sections/connect.ts";
import { delay } from "./sections/delay.ts";
import { encoding } from "./sections/encoding.ts";
import { fanout } from "./sections/fanout.ts";
import { http2 } from "./sections/http2.ts";
import { memory } from "./sections/memory.ts";
import { scale } from "./sections/scale.ts";
import type { Section } from "./sections/section.ts";
import { tokens } from "./sections/tokens.ts";
import { topics } from "./sections/topics.ts";

const sections: readonly Section[] = [fanout, delay, http2, memory, connect, backlog, encoding, tokens, topics, scale];
const folder = new URL("../../bench-results/", import.meta.url);

function chosen(options: Options): readonly Section[] {
  if (options.against !== undefined) return [against];
  if (options.sections.length === 0) return sections.filter((section) => section.isUsual(options));
  return options.sections.map((name) => {
    const section = sections.find((one) => one.name === name);
    if (section !== undefined) return section;
    throw new RangeError(`No section ${name}: there are ${sections.map((one) => one.name).join(", ")}.\n${usage}`);
  });
}

const start = performance.now();
const options = readOptions(process.argv.slice(2));
const [serverCore, loadCore] = options.cores;
const { node, cpu, cores } = machine();
const where = isPinning()
  ? `server on core ${serverCore}, load on core ${loadCore}`
  : "processes are not pinned to cores";
console.log(`Node ${node}, ${cpu}, ${cores} cores; ${where}.`);
if (cores < 2) console.log("There is one core only: server and load generator share it, and no delay means anything.");

// Where this fails, the sections say that nchan is left out.
if (options.against === undefined && catalogue.some((variant) => variant.name === "nchan" && options.wants(variant))) {
  await ensureSystemPackages(["nginx", "nchan"]).catch(console.warn);
}
mkdirSync(folder, { recursive: true });
for (const section of chosen(options)) {
  const found = await section.run(options);
  const json = JSON.stringify({ node, cpu, cores, pace: options.pace, ...found }, undefined, 2);
  writeFileSync(new URL(`${section.name}.json`, folder), `${json}\n`);
}
console.log(`\nAll figures: bench-results/. It took ${((performance.now() - start) / 1000).toFixed(0)} s.`);

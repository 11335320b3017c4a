/**
 * One variant in one process: `variant.ts <title> <warm-up ms> <timed ms>`. Checks its result, warms up, and prints one line
 * of JSON, a {@link Measurement}.
 */
import { measure } from "../support/measure.ts";
import { catalogue } from "./catalogue.ts";
import { expected, type Works } from "./workload.ts";

/** What one process measured of one variant. */
export interface Measurement {
  /** How many elements went through in the timed section, in whole runs. */
  readonly elements: number;
  readonly wallNsPerElement: number;
  readonly cpuNsPerElement: number;
}

const [title, warmUpMs, timedMs] = process.argv.slice(2);
const variant = catalogue.find((one) => one.title === title);
if (variant === undefined) throw new Error(`No variant ${String(title)}.`);

const { elements } = variant;
const { works } = (await import(`./variants/${variant.module}.ts`)) as { readonly works: Works };
const work = works[variant.work];
if (work === undefined) throw new Error(`${variant.module}.ts has no ${variant.work}.`);
const checksum = expected(elements);

async function checkedRun(): Promise<void> {
  const result = await work?.(elements);
  if (result !== checksum) throw new Error(`${String(title)} came to ${String(result)}, not ${checksum}.`);
}

await checkedRun();
await measure(checkedRun, Number(warmUpMs));
globalThis.gc?.();
const { runs, wallMs, cpuMs } = await measure(checkedRun, Number(timedMs));

const count = runs * elements;
const measurement: Measurement = {
  elements: count,
  wallNsPerElement: (wallMs * 1e6) / count,
  cpuNsPerElement: (cpuMs * 1e6) / count,
};
console.log(JSON.stringify(measurement));

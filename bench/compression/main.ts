/**
 * Compression once for all beside none, and beside a compressor for each connection: `npm run bench:compression`. Bytes and
 * CPU time of the server for each delivery, by kind of traffic and number of clients, and for clients that resume.
 *
 * Each variant is measured beside plain: every round has two new server processes, which take turns on one core. Figures are medians
 * of the rounds, and ratios those of pairs, with their quartiles. `-- --quick` for one round of each, `-- --kinds=ticker,chat`,
 * `-- --clients=1,1000` and `-- --topics=10000` for some; 0 for none of them.
 */
import { loadavg } from "node:os";
import { parseArgs } from "node:util";
import { medians } from "../../test/support/statistics.ts";
import { inFreshProcess } from "../support/fresh-process.ts";
import { machine } from "../support/machine.ts";
import { ratiosTo } from "../support/ratios.ts";
import { inRounds } from "../support/rounds.ts";
import { kinds, type Kind } from "./traffic.ts";
import type { Figures, TrialResult, TrialSpec } from "./trial.ts";
import { variants, type Variant } from "./variants.ts";

const { values } = parseArgs({
  options: {
    quick: { type: "boolean", default: false },
    rounds: { type: "string" },
    kinds: { type: "string", default: kinds.join() },
    clients: { type: "string", default: "1,10,100,1000" },
    variants: { type: "string", default: variants.join() },
    topics: { type: "string", default: "10000" },
    cores: { type: "string", default: "0,1" },
  },
});
const rounds = Number(values.rounds ?? (values.quick ? 1 : 7));
const wanted = values.variants.split(",") as Variant[];
const [serverCore = 0, loadCore = 1] = values.cores.split(",").map(Number);

/** The deliveries of one trial, about, and the fewest flushes. */
const DELIVERIES = values.quick ? 40_000 : 200_000;
const FEWEST_FLUSHES = 60;
const MOST_FLUSHES = 2000;

const trial = new URL("trial.ts", import.meta.url);
const run = async (spec: TrialSpec): Promise<TrialResult> =>
  (await inFreshProcess(trial, [JSON.stringify(spec)], loadCore)) as TrialResult;

function cpuUsOf({ cpuUs }: Figures): number {
  return cpuUs;
}

/**
 * Measures the variants of a row, and prints them beside plain. Each takes turns with plain alone: what a third one leaves in the
 * caches would not meet both alike.
 */
async function row(title: string, spec: Omit<TrialSpec, "variants" | "cores">, only = wanted): Promise<void> {
  const others = wanted.filter((variant) => only.includes(variant) && variant !== "plain");
  const hasPlain = wanted.includes("plain") && others.length > 0;
  const items: readonly Variant[] = others.length > 0 ? others : ["plain"];
  const trials = items.map((variant): Variant[] => (hasPlain ? ["plain", variant] : [variant]));
  const results = await inRounds(trials, rounds, (variants, round) =>
    run({ ...spec, variants: round % 2 === 0 ? variants : variants.toReversed(), cores: [serverCore, loadCore] }),
  );
  const figuresOf = (all: readonly TrialResult[], variant: Variant): Figures[] =>
    all.flatMap((result) => result[variant] ?? []);
  const cells = items.map((variant, i) => {
    const all = results.get(trials[i] ?? []) ?? [];
    const [own, plain] = [figuresOf(all, variant), figuresOf(all, "plain")];
    const { cpuUs, bytes } = medians(own);
    const cell = `${variant} ${cpuUs.toFixed(1)} us, ${bytes.toFixed(0)} B`;
    if (!hasPlain) return cell;
    const [ratio, quartiles, note] = ratiosTo(own.map(cpuUsOf), plain.map(cpuUsOf));
    const beside = medians(plain);
    const fewer = (beside.bytes / bytes).toFixed(1);
    return (
      `${cell} beside plain ${beside.cpuUs.toFixed(1)} us, ${beside.bytes.toFixed(0)} B: ` +
      `${ratio} x, ${quartiles}${note === "" ? "" : `, ${note}`}; ${fewer} x fewer bytes`
    );
  });
  console.log(`${title}: ${cells.join("; ")}`);
}

const { node, cpu, cores } = machine();
console.log(`Node ${node}, ${cpu}, ${cores} cores, load ${(loadavg()[0] ?? 0).toFixed(1)}; medians of ${rounds}.`);
for (const kind of values.kinds.split(",") as Kind[]) {
  for (const clients of values.clients
    .split(",")
    .map(Number)
    .filter((count) => count > 0)) {
    for (const perFlush of [1, 10]) {
      const flushes = Math.round(DELIVERIES / clients / perFlush);
      const within = Math.min(MOST_FLUSHES, Math.max(FEWEST_FLUSHES, flushes));
      const spec = { kind, clients, flushes: within, perFlush, backlogBytes: 0 };
      await row(`${kind}, ${clients} clients, ${perFlush} a flush`, spec);
    }
  }
}
// A topic each: what is not worth packing must cost little more than plain.
for (const clients of values.topics
  .split(",")
  .map(Number)
  .filter((count) => count > 0)) {
  const spec = { kind: "ticker", clients, flushes: 20, perFlush: 1, perTopic: true, backlogBytes: 0 } as const;
  await row(`ticker, ${clients} topics with one client each`, spec, ["plain", "shared"]);
}
const resuming = { kind: "ticker", clients: 300, flushes: 0, perFlush: 0, backlogBytes: 366 * 1024 } as const;
await row("300 clients that resume 366 KiB", resuming);
console.log(`Load at the end: ${(loadavg()[0] ?? 0).toFixed(1)}.`);

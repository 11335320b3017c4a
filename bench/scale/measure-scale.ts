import { median } from "../../test/support/statistics.ts";
import { inFreshProcess } from "../support/fresh-process.ts";
import { inNamespace } from "../support/namespace.ts";
import { openFiles } from "../support/open-files.ts";
import { inRounds } from "../support/rounds.ts";
import { spreadOf, type Spread } from "../support/spread.ts";
import { fitCostModel, type CostFit, type MeasuredFlush } from "./cost-model.ts";
import { SPARE_FILES } from "./million.ts";
import { predictTraffic, simulate } from "./simulate.ts";
import type { GrowthResult, GrowthSpec } from "./trials/growth.ts";
import type { SimulationSpec } from "./trials/simulation.ts";

/** How much is measured. */
export interface ScaleSettings {
  readonly cores: readonly [server: number, load: number];
  readonly rounds: number;
  readonly isQuick: boolean;
}

/** A flush, and its cost in each round. */
export interface FlushRow extends MeasuredFlush {
  readonly spread: Spread;
}

/** Traffic that the fit has not seen. */
export interface SimulationRow {
  readonly processes: number;
  /** Of each process. */
  readonly subscribers: number;
  readonly topics: number;
  readonly turns: number;
  readonly bytes: readonly [least: number, most: number];
  readonly deliveries: number;
  /** The CPU time of all server processes: what the model predicts, and what was measured in each round. Milliseconds. */
  readonly predictedMs: number;
  readonly measuredMs: Spread;
}

export interface ScaleResult {
  readonly rounds: number;
  readonly openFiles: number;
  readonly flushes: readonly FlushRow[];
  readonly fit: CostFit;
  /** KiB a connection, in the process and in the kernel; MiB of a process without connections. */
  readonly idleKiB: Spread;
  readonly kernelKiB: Spread;
  readonly emptyMiB: Spread;
  readonly simulations: readonly SimulationRow[];
}

/** The sizes of messages by the number of topics. Encoding large messages for many topics would count as the cost of a topic. */
const messageBytes = { 1: [100, 2000, 8000], 100: [100, 2000], 1000: [100] } as const;
const topicCounts = [1, 100, 1000] as const;
const mostConnections = 18_000;

/** The numbers of connections that are measured, as far as the limit of open files permits. */
function sizesOf(isQuick: boolean, limit: number): readonly number[] {
  const most = Math.min(mostConnections, limit - SPARE_FILES);
  const sizes = isQuick ? [100, 1000, mostConnections] : [100, 1000, 4500, 9000, mostConnections];
  return [...new Set(sizes.map((size) => Math.min(size, most)))];
}

/** Measures the cost of flushes as connections grow, fits the model, and tests it with traffic that the fit has not seen. */
export async function measureScale({ cores, rounds, isQuick }: ScaleSettings): Promise<ScaleResult> {
  const limit = openFiles();
  const common = { cores, sizes: sizesOf(isQuick, limit), deliveries: isQuick ? 15_000 : 60_000 };
  const specs = topicCounts.map((topics): GrowthSpec => ({ ...common, topics, bytes: messageBytes[topics] }));
  const script = new URL("trials/growth.ts", import.meta.url);
  const grown = await inRounds(specs, rounds, async (spec, round) => {
    // What is measured first at a size finds its new connections cold.
    const turned = round % 2 === 0 ? spec : { ...spec, bytes: spec.bytes.toReversed() };
    return (await inFreshProcess(script, [JSON.stringify(turned)], cores[1], inNamespace)) as GrowthResult;
  });
  const flushes = [...grown.values()].flatMap(rowsOf);
  // Few topics: the memory is that of the connections.
  const plain = [...grown].find(([{ topics }]) => topics === 1)?.[1] ?? [];
  const fit = fitCostModel(flushes);
  return {
    rounds,
    openFiles: limit,
    flushes,
    fit,
    idleKiB: spreadOf(plain.map(({ idleBytes }) => idleBytes / 1024)),
    kernelKiB: spreadOf(plain.map(({ kernelBytes }) => kernelBytes / 1024)),
    emptyMiB: spreadOf(plain.map(({ emptyBytes }) => emptyBytes / 1024 ** 2)),
    simulations: await simulations(fit, { cores, rounds, isQuick }),
  };
}

/** The flushes of one number of topics, with medians over the rounds. */
function rowsOf(all: readonly GrowthResult[]): readonly FlushRow[] {
  return (all[0]?.flushes ?? []).map((flush) => {
    const isSame = ({ subscribers, bytes }: MeasuredFlush): boolean =>
      subscribers === flush.subscribers && bytes === flush.bytes;
    const costs = all.map(({ flushes }) => flushes.find(isSame)?.cpuUs ?? NaN);
    return { ...flush, cpuUs: median(costs), spread: spreadOf(costs) };
  });
}

async function simulations(
  { model }: CostFit,
  { cores, rounds, isQuick }: ScaleSettings,
): Promise<readonly SimulationRow[]> {
  const bytes = [60, 1500] as const;
  const paced = isQuick ? { turns: 30, warmUps: 60, intervalMs: 40 } : { turns: 40, warmUps: 60, intervalMs: 150 };
  const scenarios = [
    { processes: 1, subscribers: isQuick ? 2200 : 7000, topics: 240 },
    { processes: 3, subscribers: isQuick ? 1300 : 5000, topics: 330 },
  ];
  const specsOf = ({ processes, ...scenario }: (typeof scenarios)[number]): readonly SimulationSpec[] =>
    Array.from({ length: processes }, (_, i) => ({ ...scenario, ...paced, bytes, cores, seed: 10 + i }));
  const results = await inRounds(scenarios, rounds, (scenario) => simulate(specsOf(scenario)));
  return [...results].map(([scenario, all]) => {
    const total = (one: "cpuUs" | "deliveries", round: (typeof all)[number]): number =>
      round.reduce((sum, result) => sum + result[one], 0);
    const predictedUs = specsOf(scenario).reduce((sum, spec) => sum + predictTraffic(model, spec), 0);
    return {
      ...scenario,
      bytes,
      turns: paced.turns,
      deliveries: total("deliveries", all[0] ?? []),
      predictedMs: predictedUs / 1000,
      measuredMs: spreadOf(all.map((round) => total("cpuUs", round) / 1000)),
    };
  });
}

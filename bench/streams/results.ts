import { median } from "../../test/support/statistics.ts";
import type { Scenario, Variant } from "./catalogue.ts";
import type { Measurement } from "./variant.ts";

/** What all rounds say of one variant: medians, for one element where nothing else is said. */
export interface Result {
  readonly scenario: Scenario;
  readonly title: string;
  readonly cpuNs: number;
  /** The fastest and the slowest round. */
  readonly cpuNsRange: readonly [number, number];
  readonly wallNs: number;
  readonly millionPerCpuSecond: number;
  /** How many elements went through in one round's timed section. */
  readonly elementsTimed: number;
  /** How many times the CPU time of the scenario's headline this one takes. */
  readonly timesHeadline: number;
  /** The same of the fastest rounds: what is left where another process took the machine's time in most rounds. */
  readonly timesHeadlineAtBest: number;
  readonly target: number | undefined;
  readonly met: boolean | undefined;
}

/** The results of one scenario's variants, the first of which is the headline. @throws {RangeError} for no variants. */
export function resultsOf(
  scenario: Scenario,
  measured: ReadonlyMap<Variant, readonly Measurement[]>,
): readonly Result[] {
  const own = [...measured].filter(([variant]) => variant.scenario === scenario);
  const headline = (own[0]?.[1] ?? []).map((one) => one.cpuNsPerElement);
  return own.map(([variant, rounds]) => resultOf(variant, rounds, headline));
}

function resultOf(variant: Variant, rounds: readonly Measurement[], headlineCpuNs: readonly number[]): Result {
  const { scenario, title, target } = variant;
  const of = (key: keyof Measurement): readonly number[] => rounds.map((one) => one[key]);
  const cpuNs = median(of("cpuNsPerElement"));
  const timesHeadline = cpuNs / median(headlineCpuNs);
  return {
    scenario,
    title,
    cpuNs,
    cpuNsRange: [Math.min(...of("cpuNsPerElement")), Math.max(...of("cpuNsPerElement"))],
    wallNs: median(of("wallNsPerElement")),
    millionPerCpuSecond: 1000 / cpuNs,
    elementsTimed: median(of("elements")),
    timesHeadline,
    timesHeadlineAtBest: Math.min(...of("cpuNsPerElement")) / Math.min(...headlineCpuNs),
    target,
    met: target === undefined ? undefined : timesHeadline >= target,
  };
}

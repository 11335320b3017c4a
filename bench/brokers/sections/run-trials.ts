import { inFreshProcess } from "../../support/fresh-process.ts";
import { inRounds } from "../../support/rounds.ts";
import { titles, type Engine } from "../engines.ts";

/** A way that is measured: a hub with an engine, or an engine's client library alone. */
export interface Way {
  readonly engine: Engine;
  readonly isBare: boolean;
}

/** Every engine with a hub, and those that have a client library without. */
export function waysOf(engines: readonly Engine[]): readonly Way[] {
  return engines.flatMap((engine): readonly Way[] => {
    const withHub = { engine, isBare: false };
    return engine === "memory" ? [withHub] : [withHub, { engine, isBare: true }];
  });
}

export function titleOf({ engine, isBare }: Way): string {
  return isBare ? `${titles[engine]}, client library alone` : `hub, ${titles[engine]}`;
}

/**
 * Runs a script of trials/ for each specification, in rounds, the other way round in every second, each time in a process of its own.
 *
 * @param core The core of that process, and so of the engine's server that it starts; any, if not given.
 */
export async function runTrials<Spec extends object, Result>(
  script: string,
  specs: readonly Spec[],
  rounds: number,
  core?: number,
): Promise<Map<Spec, Result[]>> {
  return inRounds(specs, rounds, async (spec, round) => {
    if (process.stderr.isTTY) {
      process.stderr.write(
        `\r\x1b[K  ${script}, round ${round + 1} of ${rounds}: ${JSON.stringify(spec).slice(0, 80)}`,
      );
    }
    const found = await inFreshProcess(new URL(`../trials/${script}`, import.meta.url), [JSON.stringify(spec)], core);
    if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
    return found as Result;
  });
}

export function percent(share: number): string {
  return `${(share * 100).toFixed(0)} %`;
}

/** A figure with those of the lowest and the highest round. */
export function withSpread(values: readonly number[], middle: number, text: (value: number) => string): string {
  return `${text(middle)} (${text(Math.min(...values))}-${text(Math.max(...values))})`;
}

import { inFreshProcess } from "../../support/fresh-process.ts";
import { inRounds } from "../../support/rounds.ts";
import { catalogue } from "../catalogue.ts";
import type { Options } from "../options.ts";
import type { Variant } from "../variant.ts";

/** Which variants of a section there are to measure, in the catalogue's order. Says which are left out because they cannot be. */
export function availableVariants(options: Options, names?: readonly string[]): readonly Variant[] {
  return catalogue.filter((variant) => {
    if (!options.wants(variant) || names?.includes(variant.name) === false) return false;
    const reason = variant.unavailable?.();
    if (reason !== undefined) console.log(`SKIPPED ${variant.title}: ${reason}`);
    return reason === undefined;
  });
}

/**
 * Runs a script of trials/ for every variant, in rounds, each time in a process of its own on the load generator's core. A variant
 * that fails is named and left out from then on.
 *
 * @param specOf What a trial is told beside its variant and the cores.
 */
export async function runTrials<Result>(
  options: Options,
  script: string,
  variants: readonly Variant[],
  rounds: number,
  specOf: (variant: Variant) => object,
): Promise<Map<Variant, Result[]>> {
  const failed = new Set<Variant>();
  const results = await inRounds(variants, rounds, async (variant, round) => {
    if (failed.has(variant)) return undefined;
    if (process.stderr.isTTY) process.stderr.write(`\r\x1b[K  round ${round + 1} of ${rounds}: ${variant.title}`);
    const spec = { variant: variant.name, cores: options.cores, ...specOf(variant) };
    try {
      const url = new URL(`../trials/${script}`, import.meta.url);
      return (await inFreshProcess(url, [JSON.stringify(spec)], options.cores[1])) as Result;
    } catch (error) {
      failed.add(variant);
      console.log(`FAILED ${variant.title}: ${reasonOf(error)}`);
      return undefined;
    }
  });
  if (process.stderr.isTTY) process.stderr.write("\r\x1b[K");
  return new Map(
    [...results]
      .map(([variant, all]) => [variant, all.filter((one) => one !== undefined)] as const)
      .filter(([variant]) => !failed.has(variant)),
  );
}

/** The error that a process has died of, out of all that it has printed. */
function reasonOf(error: unknown): string {
  const text = error instanceof Error ? error.message : String(error);
  return text.split("\n").find((line) => /^\w*Error\b/.test(line)) ?? text;
}

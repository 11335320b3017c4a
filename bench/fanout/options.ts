import { existsSync } from "node:fs";
import { availableParallelism } from "node:os";
import { resolve } from "node:path";
import { parseArgs } from "node:util";
import { catalogue, variantNamed } from "./catalogue.ts";
import type { Variant } from "./variant.ts";

/** How thorough a run is. */
export type Pace = "quick" | "usual" | "full";

export interface Options {
  readonly pace: Pace;
  /** How often each variant is measured, where it was said; otherwise each section has a number of its own. */
  readonly rounds: number | undefined;
  /** The cores that the server and the load generator are kept on. */
  readonly cores: readonly [server: number, load: number];
  /** The sections asked for by name; empty for those that a run has by itself. */
  readonly sections: readonly string[];
  /** The folder of another build, to compare this one with; its absolute path. */
  readonly against: string | undefined;
  /** Whether a variant is wanted. */
  readonly wants: (variant: Variant) => boolean;
}

export const usage = `npm run bench -- [section ...] [--quick | --full] [--only=ours,ws,...] [--rounds=n] [--cores=server,load]
npm run bench -- fanout|topics --against=/path/to/other/dist [--quick | --full] [--rounds=n] [--cores=server,load]`;

/** Reads the command line. @throws {Error} for what it cannot mean. */
export function readOptions(args: readonly string[]): Options {
  const { values, positionals } = parseArgs({
    args: [...args],
    allowPositionals: true,
    options: {
      quick: { type: "boolean", default: false },
      full: { type: "boolean", default: false },
      only: { type: "string" },
      rounds: { type: "string" },
      cores: { type: "string" },
      against: { type: "string" },
    },
  });
  const only = values.only?.split(",").map(variantNamed) ?? catalogue;
  const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
  if (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0)) throw new RangeError(`--rounds: 1 or more.`);
  const against = values.against === undefined ? undefined : resolve(values.against);
  if (against !== undefined) checkAgainst(against, positionals, values.only);
  const [server = 0, load = Math.min(1, availableParallelism() - 1)] = values.cores?.split(",").map(Number) ?? [];
  return {
    pace: values.full ? "full" : values.quick ? "quick" : "usual",
    rounds,
    cores: [server, load],
    sections: positionals,
    against,
    wants: (variant) => only.includes(variant),
  };
}

/** Only the fan-out and the topics compare two builds, and they know which of the variants are ours. */
function checkAgainst(dist: string, sections: readonly string[], only: string | undefined): void {
  if (!existsSync(resolve(dist, "index.js"))) throw new RangeError(`--against: ${dist} has no index.js.`);
  if (only !== undefined || sections.some((name) => name !== "fanout" && name !== "topics")) {
    throw new RangeError(`--against goes with fanout or topics.\n${usage}`);
  }
}

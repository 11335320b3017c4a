import { availableParallelism } from "node:os";
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
  /** Whether a variant is wanted. */
  readonly wants: (variant: Variant) => boolean;
}

export const usage = `npm run bench -- [section ...] [--quick | --full] [--only=ours,ws,...] [--rounds=n] [--cores=server,load]`;

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
    },
  });
  const only = values.only?.split(",").map(variantNamed) ?? catalogue;
  const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
  if (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0)) throw new RangeError(`--rounds: 1 or more.`);
  const [server = 0, load = Math.min(1, availableParallelism() - 1)] = values.cores?.split(",").map(Number) ?? [];
  return {
    pace: values.full ? "full" : values.quick ? "quick" : "usual",
    rounds,
    cores: [server, load],
    sections: positionals,
    wants: (variant) => only.includes(variant),
  };
}

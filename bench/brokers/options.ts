import { availableParallelism } from "node:os";
import { parseArgs } from "node:util";
import { engines, type Engine } from "./engines.ts";

export const sectionNames = ["latency", "publishing", "delivering", "fanout", "scaling"] as const;
export type SectionName = (typeof sectionNames)[number];

export interface Options {
  readonly isQuick: boolean;
  /** How often everything is measured, where it was said; otherwise each section has a number of its own. */
  readonly rounds: number | undefined;
  /** The core of the process that is measured, and that of all others. */
  readonly cores: readonly [measured: number, others: number];
  readonly sections: readonly SectionName[];
  readonly engines: readonly Engine[];
}

const usage =
  `npm run bench:brokers -- [--quick] [--only=${sectionNames.join()}] [--engines=${engines.join()}] ` +
  "[--rounds=n] [--cores=measured,others]";

/** Reads the command line. @throws {RangeError} for what it cannot mean. */
export function readOptions(args: readonly string[]): Options {
  const { values } = parseArgs({
    args: [...args],
    options: {
      quick: { type: "boolean", default: false },
      only: { type: "string" },
      engines: { type: "string" },
      rounds: { type: "string" },
      cores: { type: "string" },
    },
  });
  const rounds = values.rounds === undefined ? undefined : Number(values.rounds);
  if (rounds !== undefined && !(Number.isInteger(rounds) && rounds > 0)) {
    throw new RangeError(`--rounds: 1 or more.\n${usage}`);
  }
  const [measured = 0, others = Math.min(1, availableParallelism() - 1)] = values.cores?.split(",").map(Number) ?? [];
  return {
    isQuick: values.quick,
    rounds,
    cores: [measured, others],
    sections: chosen(sectionNames, values.only),
    engines: chosen(engines, values.engines),
  };
}

function chosen<Name extends string>(all: readonly Name[], names: string | undefined): readonly Name[] {
  if (names === undefined) return all;
  return names.split(",").map((name) => {
    const found = all.find((one) => one === name);
    if (found === undefined) throw new RangeError(`There is no ${name}: there are ${all.join(", ")}.\n${usage}`);
    return found;
  });
}

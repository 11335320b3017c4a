import type { Options } from "../options.ts";

/** A part of the benchmark, which can be run alone. */
export interface Section {
  readonly name: string;
  /** Whether it is part of a run that asks for no section by name. */
  readonly isUsual: (options: Options) => boolean;
  /** Measures, prints its tables, and gives what is to be kept as JSON. */
  readonly run: (options: Options) => Promise<object>;
}

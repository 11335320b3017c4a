import type { backlog } from "../fanout/sections/backlog.ts";
import type { connect } from "../fanout/sections/connect.ts";
import type { delay } from "../fanout/sections/delay.ts";
import type { encoding } from "../fanout/sections/encoding.ts";
import type { FanoutRow } from "../fanout/sections/fanout-table.ts";
import type { fanout } from "../fanout/sections/fanout.ts";
import type { http2 } from "../fanout/sections/http2.ts";
import type { memory } from "../fanout/sections/memory.ts";
import type { ScaleResult } from "../scale/measure-scale.ts";
import type { Run } from "../support/run.ts";
import { spreadOf, type Spread } from "../support/spread.ts";

type Found<S extends { readonly run: (...args: never[]) => Promise<object> }> = Awaited<ReturnType<S["run"]>>;

/** All that one run has measured. */
export interface Results {
  readonly run: Run;
  /** The duration of the run in minutes. */
  readonly minutes: number;
  readonly fanout: Found<typeof fanout>;
  readonly delay: Found<typeof delay>;
  readonly http2: Found<typeof http2>;
  readonly memory: Found<typeof memory>;
  readonly connect: Found<typeof connect>;
  readonly backlog: Found<typeof backlog>;
  readonly encoding: Found<typeof encoding>;
  readonly scale: ScaleResult;
}

/** The row of a name; undefined if it was not measured. */
export function named<Row extends { readonly name: string }>(rows: readonly Row[], name: string): Row | undefined {
  return rows.find((row) => row.name === name);
}

/** The two loads of a variant: one message a turn, and ten. */
export interface Loads {
  readonly title: string;
  readonly isOurs: boolean;
  readonly one: readonly number[];
  readonly ten: readonly number[];
  readonly idleKiB: Spread;
}

/** The CPU time of each delivery in each round, for each variant. */
export function loadsOf(
  loads: readonly { readonly name: string; readonly rows: readonly FanoutRow[] }[],
): Map<string, Loads> {
  const [one, ten] = ["one", "ten"].map((name) => loads.find((load) => load.name === name)?.rows ?? []);
  const cpu = (row: FanoutRow | undefined): readonly number[] => row?.costs.map(({ cpuUs }) => cpuUs) ?? [];
  return new Map(
    (one ?? []).map((row) => [
      row.name,
      {
        title: row.title,
        isOurs: row.kind === "ours",
        one: cpu(row),
        ten: cpu(named(ten ?? [], row.name)),
        idleKiB: spreadOf(row.idleKiBs),
      },
    ]),
  );
}

import { median, medians } from "../../../test/support/statistics.ts";
import { figure, table } from "../../../test/support/table.ts";
import type { Cost, FanoutResult } from "../trials/fanout.ts";
import type { Variant } from "../variant.ts";

/** One row: medians over the rounds. */
export interface FanoutRow {
  readonly name: string;
  readonly title: string;
  readonly kind: Variant["kind"];
  readonly idleKiB: number;
  readonly cost: Cost;
  /** Of each round. */
  readonly idleKiBs: readonly number[];
  readonly costs: readonly Cost[];
}

/** Above this share of its core the load generator may be what messages wait for. */
const BUSY_SHARE = 0.8;

/** The rows of one load, out of the rounds of every variant. */
export function rowsOf(results: ReadonlyMap<Variant, readonly FanoutResult[]>, load: string): readonly FanoutRow[] {
  return [...results].map(([{ name, title, kind }, rounds]) => {
    const idleKiBs = rounds.map(({ idleBytes }) => idleBytes / 1024);
    const costs = rounds.map((round) => round.costs[load] as Cost);
    return { name, title, kind, idleKiB: median(idleKiBs), cost: medians(costs), idleKiBs, costs };
  });
}

/** The rows as a table, with ratios to the C loop, or else to bare `res.write`, where the rows have one of them. */
export function fanoutTable(rows: readonly FanoutRow[]): string {
  const base = rows.find(({ kind }) => kind === "limit") ?? rows.find(({ name }) => name === "bare-write");
  const header = [
    "",
    "CPU us",
    "user",
    "system",
    ...(base === undefined ? [] : [`x ${base.kind === "limit" ? "C" : "res.write"}`]),
    "p50 ms",
    "p99 ms",
    "KiB/conn",
    "bytes",
    "load",
  ];
  const lines = rows.map(({ title, idleKiB, cost }) => [
    title,
    figure(cost.cpuUs),
    figure(cost.userUs),
    figure(cost.systemUs),
    ...(base === undefined ? [] : [(cost.cpuUs / base.cost.cpuUs).toFixed(2)]),
    figure(cost.p50Ms),
    figure(cost.p99Ms),
    idleKiB.toFixed(1),
    cost.bytesPerMessage.toFixed(0),
    `${(cost.loadShare * 100).toFixed(0)} %${cost.loadShare > BUSY_SHARE ? " *" : ""}`,
  ]);
  const isBusy = rows.some(({ cost }) => cost.loadShare > BUSY_SHARE);
  const note =
    "* the load generator was above 80 % of its core while messages were on their way: the server's CPU time is valid, the delays are not.";
  return table(header, lines) + (isBusy ? `\n${note}` : "");
}

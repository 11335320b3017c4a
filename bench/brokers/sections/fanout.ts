import { median, medians } from "../../../test/support/statistics.ts";
import { figure, table } from "../../../test/support/table.ts";
import { titles, type Engine } from "../engines.ts";
import type { Options } from "../options.ts";
import type { FanoutCost, FanoutResult, FanoutSpec } from "../trials/fanout.ts";
import { percent, runTrials, withSpread } from "./run-trials.ts";

const CLIENTS = 1000;
const BYTES = 100;
const INTERVAL_MS = 50;

interface Row {
  readonly engine: Engine;
  readonly one: FanoutCost;
  readonly all: FanoutCost;
  /** To the hub without a broker, in the same round. */
  readonly ratios: readonly number[];
  /** How much more a flush costs a process than without a broker, in the same round, microseconds: with one client and with all. */
  readonly oneMoreUs: readonly number[];
  readonly allMoreUs: readonly number[];
  readonly rounds: readonly FanoutResult[];
}

function rowOf(engine: Engine, rounds: readonly FanoutResult[], base: readonly FanoutResult[]): Row {
  const pairs = rounds.flatMap((round, i) => {
    const other = base[i];
    return other === undefined ? [] : [[round, other] as const];
  });
  return {
    engine,
    one: medians(rounds.map(({ one }) => one)),
    all: medians(rounds.map(({ all }) => all)),
    ratios: pairs.map(([round, other]) => round.all.cpuUs / other.all.cpuUs),
    oneMoreUs: pairs.map(([round, other]) => round.one.cpuUs - other.one.cpuUs),
    allMoreUs: pairs.map(([round, other]) => round.all.cpuUs - other.all.cpuUs),
    rounds,
  };
}

/** The round that other work on the machine has disturbed the least. */
function leastOf(rounds: readonly FanoutResult[]): number {
  return Math.min(...rounds.map(({ all }) => all.cpuUs));
}

/** What a delivery costs a hub whose messages come from elsewhere. */
export async function fanout({ isQuick, rounds: asked, engines, cores }: Options): Promise<object> {
  const rounds = asked ?? (isQuick ? 2 : 7);
  const messages = isQuick ? 50 : 120;
  const common = { cores, clients: CLIENTS, bytes: BYTES, intervalMs: INTERVAL_MS, warmUps: 20, messages };
  const specs = engines.map((engine): FanoutSpec => ({ engine, ...common }));
  const results = await runTrials<FanoutSpec, FanoutResult>("fanout.ts", specs, rounds, cores[1]);
  const base = [...results].find(([{ engine }]) => engine === "memory")?.[1] ?? [];
  const rows = [...results].map(([{ engine }, all]) => rowOf(engine, all, base));
  const lines = rows.map(({ engine, one, all, ratios, oneMoreUs, allMoreUs, rounds: own }) => {
    const least = leastOf(own);
    const isCompared = engine !== "memory" && ratios.length > 0;
    const more = (values: readonly number[]): string =>
      isCompared ? withSpread(values, median(values), (value) => value.toFixed(0)) : "";
    return [
      titles[engine],
      figure(all.cpuUs / CLIENTS),
      figure(all.systemUs / CLIENTS),
      isCompared ? withSpread(ratios, median(ratios), (value) => value.toFixed(2)) : "",
      figure(least / CLIENTS),
      isCompared ? (least / leastOf(base)).toFixed(2) : "",
      more(allMoreUs),
      figure(one.cpuUs),
      more(oneMoreUs),
      all.messagesPerFlush.toFixed(3),
      figure(all.p50Ms),
      figure(all.p99Ms),
      percent(all.hubShare),
      percent(all.loadShare),
      percent(all.othersShare),
      percent(all.waitedShare),
    ];
  });
  console.log(
    `\nFan-out: ${CLIENTS} clients of one process, ${1000 / INTERVAL_MS} messages of ${BYTES} bytes a second from another ` +
      "(memory: from a timer), one a flush; CPU us of the process that delivers\n",
  );
  const header = [
    "",
    "a delivery",
    "system",
    "x memory",
    "least",
    "x",
    "us/flush more",
    "one client: us/flush",
    "more",
  ];
  console.log(table([...header, "a flush", "p50 ms", "p99 ms", "hub", "clients", "others' core", "waited"], lines));
  return { rounds, ...common, rows };
}

import { median, medians } from "../../../test/support/statistics.ts";
import { figure, table } from "../../../test/support/table.ts";
import { titles } from "../engines.ts";
import type { Options } from "../options.ts";
import type { ScalingPart, ScalingResult, ScalingSpec } from "../trials/scaling.ts";
import { percent, runTrials, withSpread } from "./run-trials.ts";

const CLIENTS = 1000;
const BYTES = 100;
const INTERVAL_MS = 50;
const workerCounts = [1, 2, 4] as const;

function cells(parts: readonly ScalingPart[], { mostShare, leastShare, ...part }: ScalingPart): readonly string[] {
  const costs = parts.map(({ cpuUs }) => cpuUs);
  return [
    withSpread(costs, median(costs), figure),
    part.messagesPerFlush.toFixed(2),
    mostShare === leastShare ? percent(mostShare) : `${percent(leastShare)} - ${percent(mostShare)}`,
    ...[part.leaderShare, part.serverShare, part.publisherShare, part.loadShare].map(percent),
  ];
}

/** What more worker processes on one port bring and cost on this machine. */
export async function scaling({ isQuick, rounds: asked, engines }: Options): Promise<object> {
  const engine = engines.find((one) => one !== "memory") ?? "redis";
  const rounds = asked ?? (isQuick ? 1 : 3);
  const messages = isQuick ? 50 : 150;
  const common = {
    engine,
    clients: CLIENTS,
    bytes: BYTES,
    intervalMs: INTERVAL_MS,
    messages,
    ms: isQuick ? 2000 : 5000,
  };
  const specs = workerCounts.map((workers): ScalingSpec => ({ ...common, workers }));
  const results = await runTrials<ScalingSpec, ScalingResult>("scaling.ts", specs, rounds);
  const rows = [...results].map(([{ workers }, all]) => ({
    workers,
    paced: medians(all.map(({ paced }) => paced)),
    saturated: medians(all.map(({ saturated }) => saturated)),
    least: Math.min(...all.map(({ least }) => least)),
    most: Math.max(...all.map(({ most }) => most)),
    rounds: all,
  }));
  const header = ["workers", "clients each"];
  const costs = ["CPU us a delivery", "a flush", "a worker", "first process", titles[engine], "publisher", "clients"];
  const spread = (row: { least: number; most: number }): string =>
    row.least === row.most ? String(row.most) : `${row.least}-${row.most}`;
  console.log(
    `\nScaling: workers on one port, ${titles[engine]}, ${CLIENTS} clients; ${1000 / INTERVAL_MS} messages of ${BYTES} bytes a second, ` +
      "shares of a core\n",
  );
  const paced = rows.map((row) => [
    String(row.workers),
    spread(row),
    ...cells(
      row.rounds.map((r) => r.paced),
      row.paced,
    ),
  ]);
  console.log(table([...header, ...costs], paced));
  console.log("\nThe same, the next message as soon as all clients have had the one before\n");
  const saturated = rows.map((row) => {
    const all = row.rounds.map((round) => round.saturated);
    const speeds = all.map(({ deliveriesPerSecond }) => deliveriesPerSecond / 1000);
    const speed = withSpread(speeds, median(speeds), (value) => value.toFixed(1));
    return [String(row.workers), speed, ...cells(all, row.saturated)];
  });
  console.log(table(["workers", "1000 deliveries a second", ...costs], saturated));
  return { rounds, ...common, rows };
}

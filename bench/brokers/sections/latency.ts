import { median, medians } from "../../../test/support/statistics.ts";
import { figure, table } from "../../../test/support/table.ts";
import type { Options } from "../options.ts";
import type { LatencyResult, LatencySpec } from "../trials/latency.ts";
import { percent, runTrials, titleOf, waysOf, withSpread } from "./run-trials.ts";

const BYTES = 100;
const INTERVAL_MS = 5;

/** From publishing in one process to a client of another. */
export async function latency({ isQuick, rounds: asked, engines, cores }: Options): Promise<object> {
  const rounds = asked ?? (isQuick ? 1 : 3);
  const messages = isQuick ? 500 : 1000;
  const specs = waysOf(engines).map((way): LatencySpec => ({
    ...way,
    cores,
    bytes: BYTES,
    warmUps: 300,
    messages,
    intervalMs: INTERVAL_MS,
  }));
  const results = await runTrials<LatencySpec, LatencyResult>("latency.ts", specs, rounds, cores[1]);
  const rows = [...results].map(([spec, all]) => ({ ...spec, title: titleOf(spec), ...medians(all), rounds: all }));
  const lines = rows.map((row) => [
    row.title,
    ...(["p50Ms", "p99Ms", "ackP50Ms", "ackP99Ms"] as const).map((name) => {
      const values = row.rounds.map((round) => round[name]);
      return withSpread(values, median(values), (value) => value.toFixed(2));
    }),
    figure(row.publisherUs),
    row.engine === "memory" ? "" : figure(row.receiverUs),
    row.engine === "memory" ? "" : figure(row.serverUs),
    percent(row.othersShare),
  ]);
  const rate = `${1000 / INTERVAL_MS} messages of ${BYTES} bytes a second`;
  console.log(
    `\nLatency: ${rate}, one topic, from a process to a client of another; milliseconds, and CPU us a message\n`,
  );
  console.log(
    table(
      ["", "p50", "p99", "acknowledged p50", "p99", "publisher us", "receiver us", "server us", "others' core"],
      lines,
    ),
  );
  return { rounds, messages, intervalMs: INTERVAL_MS, rows };
}

import { median, medians } from "../../../test/support/statistics.ts";
import { figure, table } from "../../../test/support/table.ts";
import { titles } from "../engines.ts";
import type { Options } from "../options.ts";
import type { DeliveringResult, DeliveringSpec } from "../trials/delivering.ts";
import { percent, runTrials, withSpread } from "./run-trials.ts";

const CLIENTS = 200;
const BYTES = 100;
const IN_FLIGHT = 256;

/** How much two processes on one core deliver, of what one of them publishes as fast as it can. */
export async function delivering({ isQuick, rounds: asked, engines, cores }: Options): Promise<object> {
  const rounds = asked ?? (isQuick ? 1 : 3);
  const burst = { clients: CLIENTS, bytes: BYTES, messages: 2000, inFlight: IN_FLIGHT };
  const specs = engines.map((engine): DeliveringSpec => ({ engine, cores, ...burst, ms: isQuick ? 2000 : 5000 }));
  const results = await runTrials<DeliveringSpec, DeliveringResult>("delivering.ts", specs, rounds, cores[1]);
  const rows = [...results].map(([spec, all]) => ({ ...spec, ...medians(all), rounds: all }));
  const lines = rows.map((row) => {
    const speeds = row.rounds.map(({ deliveriesPerSecond }) => deliveriesPerSecond);
    return [
      titles[row.engine],
      withSpread(speeds, median(speeds), (value) => (value / 1000).toFixed(0)),
      row.publishesPerSecond.toFixed(0),
      figure(row.publisherUs),
      row.engine === "memory" ? "" : figure(row.receiverUs),
      row.engine === "memory" ? "" : figure(row.serverUs),
      row.messagesPerFlush.toFixed(1),
      percent(row.hubsShare),
      percent(row.loadShare),
      percent(row.othersShare),
      percent(row.waitedShare),
    ];
  });
  console.log(
    `\nDelivering: ${CLIENTS} clients of each of two processes on one core, of which one publishes all it can ` +
      `(memory: ${CLIENTS} clients of one process); CPU us a delivery\n`,
  );
  const header = ["", "1000 a second", "publishes", "publisher us", "other us", "server us/publish", "a flush"];
  console.log(table([...header, "hubs' core", "clients", "others' core", "waited"], lines));
  return { rounds, rows };
}

import { medians } from "../../../test/support/statistics.ts";
import { figure, table } from "../../../test/support/table.ts";
import type { DelayResult } from "../trials/delay.ts";
import { availableVariants, runTrials } from "./run-trials.ts";
import type { Section } from "./section.ts";

const CONNECTIONS = 5000;
const BYTES = 100;
const INTERVAL_MS = 100;
/** The C loop is there to show how much of a delay is the load generator's. */
const names = ["c", "ours", "ours-ndjson", "bare-write", "ws", "better-sse"];

/** How long a message takes to arrive. */
export const delay = {
  name: "delay",
  isUsual: () => true,
  run: async (options) => {
    const rounds = options.rounds ?? { quick: 1, usual: 3, full: 5 }[options.pace];
    const messages = options.pace === "quick" ? 20 : 50;
    const spec = { connections: CONNECTIONS, bytes: BYTES, messages, warmUps: 15, intervalMs: INTERVAL_MS };
    const variants = availableVariants(options, names);
    const results = await runTrials<DelayResult>(options, "delay.ts", variants, rounds, () => spec);
    const rows = [...results].map(([{ name, title }, all]) => ({ name, title, ...medians(all), all }));
    const base = rows.find(({ name }) => name === "ws");
    const lines = rows.map((row) => [
      row.title,
      figure(row.p50Ms),
      figure(row.p99Ms),
      base === undefined ? "" : (row.p99Ms / base.p99Ms).toFixed(2),
      figure(row.maxMs),
      figure(row.cpuUs),
      `${(row.serverShare * 100).toFixed(0)} %`,
      `${(row.loadShare * 100).toFixed(0)} %`,
    ]);
    const rate = `${1000 / INTERVAL_MS} messages of ${BYTES} bytes a second`;
    console.log(`\nDelay: ${CONNECTIONS} connections, ${rate}; from the publish to the arrival, milliseconds\n`);
    console.log(table(["", "p50", "p99", "x ws", "most", "CPU us", "server", "load"], lines));
    return { ...spec, rounds, rows };
  },
} satisfies Section;

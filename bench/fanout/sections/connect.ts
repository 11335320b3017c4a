import { medians } from "../../../test/support/statistics.ts";
import { figure, table } from "../../../test/support/table.ts";
import type { ConnectResult } from "../trials/connect.ts";
import { availableVariants, runTrials } from "./run-trials.ts";
import type { Section } from "./section.ts";

const AT_ONCE = 50;
const names = ["ours", "bare-write", "ws"];

/** What it costs to come. */
export const connect = {
  name: "connect",
  isUsual: () => true,
  run: async (options) => {
    const rounds = options.rounds ?? { quick: 1, usual: 5, full: 9 }[options.pace];
    const connections = options.pace === "quick" ? 3000 : 8000;
    const results = await runTrials<ConnectResult>(
      options,
      "connect.ts",
      availableVariants(options, names),
      rounds,
      () => ({ connections, atOnce: AT_ONCE }),
    );
    const rows = [...results].map(([{ name, title }, all]) => ({ name, title, ...medians(all), all }));
    const base = rows.find(({ name }) => name === "bare-write");
    const peer = rows.find(({ name }) => name === "ws");
    const lines = rows.map((row) => [
      row.title,
      row.perSecond.toFixed(0),
      figure(row.cpuUs),
      base === undefined ? "" : (row.cpuUs / base.cpuUs).toFixed(2),
      peer === undefined ? "" : (row.cpuUs / peer.cpuUs).toFixed(2),
      figure(row.firstByteP50Ms),
      figure(row.firstByteP99Ms),
      `${(row.loadShare * 100).toFixed(0)} %`,
    ]);
    console.log(
      `\nConnecting: ${connections} clients, ${AT_ONCE} at a time; the rate is bound by the load generator where that is at 100 %\n`,
    );
    console.log(
      table(["", "a second", "CPU us", "x bare-write", "x ws", "first byte p50 ms", "p99 ms", "load"], lines),
    );
    return { connections, atOnce: AT_ONCE, rounds, rows };
  },
} satisfies Section;

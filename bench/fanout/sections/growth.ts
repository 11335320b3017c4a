import { figure, table } from "../../../test/support/table.ts";
import type { FanoutResult } from "../trials/fanout.ts";
import { rowsOf, type FanoutRow } from "./fanout-table.ts";
import { availableVariants, runTrials } from "./run-trials.ts";
import type { Section } from "./section.ts";

const sizes = [1000, 15_000];
const names = ["ours"];
const load = { name: "one", bytes: 100, perTurn: 1, warmUps: 20, publishes: 30, intervalMs: 100 };

/** How the cost of a delivery grows with the number of connections, at no more than ten messages a second. */
export const growth: Section = {
  name: "growth",
  isUsual: ({ pace }) => pace === "full",
  run: async (options) => {
    const rounds = options.rounds ?? { quick: 1, usual: 3, full: 5 }[options.pace];
    const variants = availableVariants(options, names);
    const found: { readonly connections: number; readonly rows: readonly FanoutRow[] }[] = [];
    for (const connections of sizes) {
      const spec = { connections, loads: [load] };
      const results = await runTrials<FanoutResult>(options, "fanout.ts", variants, rounds, () => spec);
      found.push({ connections, rows: rowsOf(results, load.name) });
    }
    const lines = found.flatMap(({ connections, rows }) =>
      rows.map(({ name, title, idleKiB, cost }) => {
        const least = found[0]?.rows.find((row) => row.name === name)?.cost.cpuUs ?? NaN;
        return [
          `${title}, ${connections}`,
          figure(cost.cpuUs),
          figure(cost.userUs),
          figure(cost.systemUs),
          (cost.cpuUs / least).toFixed(2),
          figure(cost.p50Ms),
          figure(cost.p99Ms),
          idleKiB.toFixed(1),
          `${(cost.loadShare * 100).toFixed(0)} %`,
        ];
      }),
    );
    console.log("\nGrowth: one message of 100 bytes a turn, ten a second at most; for each delivery\n");
    console.log(
      table(["", "CPU us", "user", "system", `x ${sizes[0] ?? ""}`, "p50 ms", "p99 ms", "KiB/conn", "load"], lines),
    );
    return { rounds, sizes: found };
  },
};

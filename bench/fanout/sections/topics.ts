import { median, quantile } from "../../../test/support/statistics.ts";
import { figure, table } from "../../../test/support/table.ts";
import { verdict } from "../../support/verdict.ts";
import type { FanoutResult } from "../trials/fanout.ts";
import { availableVariants, runTrials } from "./run-trials.ts";
import type { Section } from "./section.ts";

const names = ["ours", "ours-uring", "ours-topics", "ours-topics-uring", "raw-topics"];
const load = { name: "one", bytes: 100, perTurn: 1, intervalMs: 1 };

/** The cost of a delivery where each client has a topic of its own, beside one topic for all of them. */
export const topics: Section = {
  name: "topics",
  isUsual: () => true,
  run: async (options) => {
    const connections = options.pace === "quick" ? 2000 : 10_000;
    const rounds = options.rounds ?? { quick: 1, usual: 3, full: 7 }[options.pace];
    const loads = [{ ...load, warmUps: 10, publishes: options.pace === "quick" ? 10 : 20 }];
    const variants = availableVariants(options, names);
    const spec = { connections, loads };
    const results = await runTrials<FanoutResult>(options, "fanout.ts", variants, rounds, () => spec);
    const all = [...results].map(([{ name, title }, found]) => ({
      name,
      title,
      costs: found.flatMap(({ costs }) => costs[load.name] ?? []),
    }));
    const base = all.find(({ name }) => name === "ours")?.costs ?? [];
    const rows = all.map(({ name, title, costs }) => {
      const us = costs.map(({ cpuUs }) => cpuUs);
      // The two of a round were measured one after the other, and make a pair.
      const ratios = us.map((cpuUs, round) => cpuUs / (base[round]?.cpuUs ?? NaN));
      return {
        name,
        title,
        us,
        cpuUs: median(us),
        systemUs: median(costs.map(({ systemUs }) => systemUs)),
        ratio: median(ratios),
        lower: quantile(ratios, 0.25),
        upper: quantile(ratios, 0.75),
      };
    });
    const lines = rows.map(({ name, title, us, cpuUs, systemUs, ratio, lower, upper }) => [
      title,
      figure(cpuUs),
      `${figure(quantile(us, 0.25))}-${figure(quantile(us, 0.75))}`,
      figure(systemUs),
      ratio.toFixed(2),
      `${lower.toFixed(2)}-${upper.toFixed(2)}`,
      name === "ours" || Number.isNaN(ratio) ? "" : verdict(ratio, lower, upper),
    ]);
    console.log(`\nTopics: ${connections} clients, one message of 100 bytes for each a turn; for each delivery\n`);
    console.log(table(["", "CPU us", "quartiles", "system", "x one topic", "quartiles", ""], lines));
    return { connections, rounds, rows };
  },
};

import { fileURLToPath } from "node:url";
import { median, quantile } from "../../../test/support/statistics.ts";
import { figure, table } from "../../../test/support/table.ts";
import { inFreshProcess } from "../../support/fresh-process.ts";
import { verdict } from "../../support/verdict.ts";
import { variantNamed } from "../catalogue.ts";
import { ownDist } from "../servers/build.ts";
import type { PairSpec } from "../trials/pair.ts";
import type { PairResult } from "../trials/take-turns.ts";
import type { Section } from "./section.ts";

const LEAST_PAIRS = 7;
const common = { bytes: 100, warmUps: 30, intervalMs: 1 };
const loads = [
  { ...common, name: "one", title: "one message a flush", perTurn: 1, publishes: 60 },
  { ...common, name: "ten", title: "ten messages a flush", perTurn: 10, publishes: 120 },
];

/** The cost of a delivery beside that of another build, in pairs. */
export const against: Section = {
  name: "against",
  isUsual: () => false,
  run: async (options) => {
    const other = options.against;
    if (other === undefined) throw new RangeError("--against: the folder of the other build.");
    const pairs = Math.max(LEAST_PAIRS, options.rounds ?? (options.pace === "full" ? 15 : 7));
    const dists = [fileURLToPath(ownDist), other];
    const isTopics = options.sections.includes("topics");
    const names = isTopics ? ["ours-topics"] : ["ours", "ours-comet"];
    const connections = isTopics ? 4000 : 1000;
    const rows = names.flatMap((name) =>
      loads.map((load) => ({
        name,
        load,
        title: `${variantNamed(name).title}, ${load.title}`,
        costs: [] as number[][],
      })),
    );
    for (let pair = 0; pair < pairs; pair += 1) {
      const isReversed = pair % 2 === 1;
      for (const name of names) {
        const spec: PairSpec = {
          variant: name,
          cores: options.cores,
          connections,
          loads,
          dists: isReversed ? dists.toReversed() : dists,
        };
        const url = new URL("../trials/pair.ts", import.meta.url);
        const found = (await inFreshProcess(url, [JSON.stringify(spec)], options.cores[1])) as PairResult;
        for (const row of rows.filter((one) => one.name === name)) {
          const costs = found[row.load.name] ?? [];
          row.costs.push(isReversed ? costs.toReversed() : [...costs]);
        }
      }
    }
    const results = rows.map(({ title, costs }) => {
      const [own = [], others = []] = [0, 1].map((build) => costs.map((pair) => pair[build] ?? NaN));
      const ratios = own.map((cpuUs, i) => cpuUs / (others[i] ?? NaN));
      const [ratio, lower, upper] = [median(ratios), quantile(ratios, 0.25), quantile(ratios, 0.75)];
      return { title, ownUs: median(own), otherUs: median(others), ratios, ratio, lower, upper };
    });
    const lines = results.map(({ title, ownUs, otherUs, ratio, lower, upper }) => [
      title,
      figure(ownUs),
      figure(otherUs),
      ratio.toFixed(3),
      `${lower.toFixed(3)}-${upper.toFixed(3)}`,
      verdict(ratio, lower, upper),
    ]);
    console.log(`\nThis build beside ${other}: ${connections} connections, ${pairs} pairs; CPU us for each delivery\n`);
    console.log(table(["", "this", "the other", "this / the other", "quartiles", ""], lines));
    return { connections, pairs, against: other, rows: results };
  },
};

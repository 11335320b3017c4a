import { describeRun, startedRun } from "../../support/run.ts";
import { catalogue } from "../catalogue.ts";
import { writeChart } from "../chart.ts";
import type { Options } from "../options.ts";
import type { FanoutResult } from "../trials/fanout.ts";
import type { Load } from "../trials/publisher.ts";
import { fanoutTable, rowsOf } from "./fanout-table.ts";
import { availableVariants, runTrials } from "./run-trials.ts";
import type { Section } from "./section.ts";

/** The loads that a fan-out is measured under. */
export function loadsOf({ pace }: Options): readonly (Load & { readonly title: string })[] {
  const isQuick = pace === "quick";
  const publishes = { quick: 20, usual: 60, full: 100 }[pace];
  const common = { publishes, warmUps: isQuick ? 12 : 30, bytes: 100, intervalMs: 20 };
  // Ten messages have ten times the deliveries; the load before has warmed up the server.
  const fewer = isQuick ? { publishes: 10, warmUps: 6 } : {};
  return [
    { ...common, name: "one", title: "one message of 100 bytes a turn", perTurn: 1 },
    { ...common, ...fewer, name: "ten", title: "ten messages of 100 bytes a turn", perTurn: 10 },
  ];
}

const CONNECTIONS = 1000;

const onHttp1 = catalogue.filter(({ isHttp2, isPerTopic }) => isHttp2 !== true && isPerTopic !== true);

/** The cost of a delivery, with everybody there is. */
export const fanout = {
  name: "fanout",
  isUsual: () => true,
  run: async (options) => {
    const chartRun = describeRun(startedRun(options.pace === "quick"));
    const loads = loadsOf(options);
    const rounds = options.rounds ?? { quick: 2, usual: 5, full: 9 }[options.pace];
    const names = onHttp1.map(({ name }) => name);
    const variants = availableVariants(options, names);
    const results = await runTrials<FanoutResult>(options, "fanout.ts", variants, rounds, () => ({
      connections: CONNECTIONS,
      loads,
    }));
    const tables = loads.map((load) => ({ ...load, rows: rowsOf(results, load.name) }));
    for (const { title, rows } of tables) {
      console.log(
        `\nFan-out: ${CONNECTIONS} connections, ${title}; for each delivery of a message\n\n${fanoutTable(rows)}`,
      );
    }
    // A chart of some variants only would be taken for the whole.
    if (onHttp1.every(options.wants)) writeChart(tables, chartRun, "bench-results");
    return { connections: CONNECTIONS, rounds, loads: tables };
  },
} satisfies Section;

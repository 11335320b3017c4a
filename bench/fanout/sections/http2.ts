import type { FanoutResult } from "../trials/fanout.ts";
import { fanoutTable, rowsOf } from "./fanout-table.ts";
import { loadsOf } from "./fanout.ts";
import { availableVariants, runTrials } from "./run-trials.ts";
import type { Section } from "./section.ts";

const STREAMS = 1000;
const names = ["ours", "ours-h2", "ours-h2-shared", "h2-write", "h2-write-shared"];

/** The cost of a delivery on HTTP/2, beside HTTP/1.1 and beside what one would write by hand on each. */
export const http2 = {
  name: "http2",
  isUsual: () => true,
  run: async (options) => {
    const loads = loadsOf(options);
    const rounds = options.rounds ?? { quick: 1, usual: 3, full: 5 }[options.pace];
    const results = await runTrials<FanoutResult>(
      options,
      "fanout.ts",
      availableVariants(options, names),
      rounds,
      () => ({ connections: STREAMS, loads }),
    );
    const tables = loads.map((load) => ({ ...load, rows: rowsOf(results, load.name) }));
    for (const { title, rows } of tables) {
      console.log(`\nHTTP/2: ${STREAMS} streams, ${title}; for each delivery of a message\n\n${fanoutTable(rows)}`);
    }
    return { streams: STREAMS, rounds, loads: tables };
  },
} satisfies Section;

import { medians } from "../../../test/support/statistics.ts";
import { figure, table } from "../../../test/support/table.ts";
import { inFreshProcess } from "../../support/fresh-process.ts";
import { inRounds } from "../../support/rounds.ts";
import type { BacklogResult } from "../trials/backlog.ts";
import type { Section } from "./section.ts";

const MESSAGES = 1000;
const BYTES = 100;
const titles = { ours: "comet-sockets, sse, resumed", "static-file": "a file by stream.pipeline" };

/** What it costs to catch up. */
export const backlog = {
  name: "backlog",
  isUsual: () => true,
  run: async ({ pace, rounds: asked, cores }) => {
    const rounds = asked ?? { quick: 1, usual: 3, full: 5 }[pace];
    const clients = pace === "quick" ? 2000 : 5000;
    const script = new URL("../trials/backlog.ts", import.meta.url);
    const results = await inRounds(["ours", "static-file"] as const, rounds, async (variant) => {
      const spec = { variant, cores, clients, messages: MESSAGES, bytes: BYTES };
      return (await inFreshProcess(script, [JSON.stringify(spec)], cores[1])) as BacklogResult;
    });
    const rows = [...results].map(([name, all]) => ({ name, title: titles[name], ...medians(all), all }));
    const base = rows.find(({ name }) => name === "static-file");
    const lines = rows.map((row) => [
      row.title,
      figure(row.cpuNsPerByte),
      figure(row.userNsPerByte),
      figure(row.systemNsPerByte),
      base === undefined ? "" : (row.cpuNsPerByte / base.cpuNsPerByte).toFixed(2),
      row.bytesPerClient.toFixed(0),
      figure(row.seconds),
      `${(row.loadShare * 100).toFixed(0)} %`,
    ]);
    console.log(`\nBacklog: ${clients} clients, ${MESSAGES} messages of ${BYTES} bytes each; for each byte\n`);
    console.log(table(["", "CPU ns", "user", "system", "x file", "bytes/client", "seconds", "load"], lines));
    return { clients, messages: MESSAGES, bytes: BYTES, rounds, rows };
  },
} satisfies Section;

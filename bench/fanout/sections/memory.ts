import { median } from "../../../test/support/statistics.ts";
import { table } from "../../../test/support/table.ts";
import type { MemoryResult } from "../trials/memory.ts";
import { availableVariants, runTrials } from "./run-trials.ts";
import type { Section } from "./section.ts";

const CONNECTIONS = 8000;
const names = ["ours", "raw-socket", "bare-write", "ws", "better-sse"];

/** What an idle connection costs in memory. */
export const memory = {
  name: "memory",
  isUsual: () => true,
  run: async (options) => {
    const rounds = options.rounds ?? { quick: 1, usual: 3, full: 5 }[options.pace];
    const variants = availableVariants(options, names);
    const results = await runTrials<MemoryResult>(options, "memory.ts", variants, rounds, () => ({
      connections: CONNECTIONS,
    }));
    const rows = [...results].map(([{ name, title }, all]) => ({
      name,
      title,
      idleKiB: median(all.map(({ idleBytes }) => idleBytes)) / 1024,
      emptyMiB: median(all.map(({ emptyBytes }) => emptyBytes)) / 1024 / 1024,
      idleKiBs: all.map(({ idleBytes }) => idleBytes / 1024),
    }));
    const base = rows.find(({ name }) => name === "bare-write");
    const peer = rows.find(({ name }) => name === "ws");
    const lines = rows.map(({ title, idleKiB, emptyMiB }) => [
      title,
      idleKiB.toFixed(1),
      base === undefined ? "" : (idleKiB / base.idleKiB).toFixed(2),
      peer === undefined ? "" : (idleKiB / peer.idleKiB).toFixed(2),
      emptyMiB.toFixed(0),
    ]);
    console.log(`\nMemory: ${CONNECTIONS} idle connections, resident, after a forced collection\n`);
    console.log(table(["", "KiB/conn", "x bare-write", "x ws", "MiB before"], lines));
    return { connections: CONNECTIONS, rounds, rows };
  },
} satisfies Section;

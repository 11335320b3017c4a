import { figure, table } from "../../../test/support/table.ts";
import { measureScale } from "../../scale/measure-scale.ts";
import { flawOf, type Spread } from "../../support/spread.ts";
import type { Section } from "./section.ts";

const percent = (share: number): string => `${(share * 100).toFixed(1)} %`;
const quartiles = ({ lower, upper }: Spread): string => `${figure(lower)}-${figure(upper)}`;

/** The cost of a flush as a model of four terms, fitted to measurements, and tested with traffic that it has not seen. */
export const scale = {
  name: "scale",
  isUsual: ({ pace }) => pace === "full",
  run: async (options) => {
    const rounds = options.rounds ?? { quick: 1, usual: 3, full: 5 }[options.pace];
    const found = await measureScale({ cores: options.cores, rounds, isQuick: options.pace === "quick" });
    const { fit, flushes, simulations } = found;
    const lines = fit.residuals.map(({ groups, subscribers, bytes, cpuUs, predictedUs, error }, i) => {
      const spread = flushes[i]?.spread;
      const cells = [groups, subscribers, bytes].map(String);
      const measured = spread === undefined ? ["", ""] : [quartiles(spread), flawOf(spread)];
      return [...cells, figure(cpuUs / subscribers), figure(predictedUs / subscribers), percent(error), ...measured];
    });
    console.log("\nScale: CPU us for each delivery; the quartiles are those of a whole flush\n");
    console.log(table(["topics", "connections", "bytes", "measured", "fitted", "error", "quartiles", ""], lines));
    const terms = Object.entries(fit.model).map(([name, value]: [string, number]) => {
      const error = fit.standardErrors[name as keyof typeof fit.standardErrors];
      return [name, figure(value), figure(error)];
    });
    console.log(`\nThe model: root mean square error ${percent(fit.rmsError)}, largest ${percent(fit.largestError)}\n`);
    console.log(table(["term", "value", "standard error"], terms));
    const tests = simulations.map(({ processes, subscribers, topics, predictedMs, measuredMs }) => [
      String(processes),
      String(subscribers),
      String(topics),
      figure(predictedMs),
      figure(measuredMs.median),
      quartiles(measuredMs),
      percent(predictedMs / measuredMs.median - 1),
      flawOf(measuredMs),
    ]);
    const header = ["processes", "subscribers each", "topics", "predicted ms", "measured ms", "quartiles", "error", ""];
    console.log(`\nA simulation: CPU of all server processes\n\n${table(header, tests)}`);
    const memory = [found.idleKiB, found.kernelKiB].map(({ median }) => `${median.toFixed(1)} KiB`);
    console.log(`\nAn idle connection: ${memory.join(" in the process, ")} in the kernel.`);
    return found;
  },
} satisfies Section;

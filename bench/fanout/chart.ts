import { writeFileSync } from "node:fs";
import { barChart } from "../support/bars.ts";
import { figure } from "../../test/support/table.ts";
import type { FanoutRow } from "./sections/fanout-table.ts";

/**
 * Draws fanout.svg in bench-results/, or bench-fanout.svg in docs/: the CPU time of a delivery under each load, the cheapest first.
 *
 * @param run The run that the figures are of; it is written below the bars.
 */
export function writeChart(
  loads: readonly { readonly title: string; readonly rows: readonly FanoutRow[] }[],
  run: string,
  folder: "bench-results" | "docs",
): void {
  const panels = loads.map(({ title, rows }) => ({
    title: `1,000 connections, ${title}`,
    bars: rows
      .toSorted((a, b) => a.cost.cpuUs - b.cost.cpuUs)
      .map(({ title: label, kind, cost }) => ({
        label,
        parts: [cost.systemUs, cost.userUs] as const,
        text: `${figure(cost.cpuUs)} µs`,
        isOurs: kind === "ours",
      })),
  }));
  const legend =
    "CPU time of the server process per delivered message: system (left) and user (right). Less is better.";
  const name = folder === "docs" ? "bench-fanout.svg" : "fanout.svg";
  writeFileSync(new URL(`../../${folder}/${name}`, import.meta.url), barChart(legend, panels, run));
}

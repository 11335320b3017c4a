import { writeFileSync } from "node:fs";
import { barChart } from "../support/bars.ts";
import { figure } from "../../test/support/table.ts";
import type { FanoutRow } from "./sections/fanout-table.ts";

const results = new URL("../../bench-results/fanout.svg", import.meta.url);
const documentation = new URL("../../docs/bench-fanout.svg", import.meta.url);

/**
 * Draws bench-results/fanout.svg: the CPU time of a delivery under each load, the cheapest first.
 *
 * @param isForDocs Whether to draw docs/bench-fanout.svg as well.
 */
export function writeChart(
  loads: readonly { readonly title: string; readonly rows: readonly FanoutRow[] }[],
  isForDocs: boolean,
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
  const svg = barChart(legend, panels);
  for (const file of isForDocs ? [results, documentation] : [results]) writeFileSync(file, svg);
}

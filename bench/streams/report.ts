import { figure, table } from "../../test/support/table.ts";
import type { First } from "./first/main.ts";
import type { Result } from "./results.ts";

/** The table of one scenario. */
export function speedTable(results: readonly Result[]): string {
  const header = [
    "variant",
    "CPU ns/el",
    "fastest..slowest",
    "wall ns/el",
    "M el/CPU s",
    "headline is",
    "at best",
    "target",
    "",
  ];
  return table(
    header,
    results.map((one, index) => [
      one.title,
      figure(one.cpuNs),
      `${figure(one.cpuNsRange[0])}..${figure(one.cpuNsRange[1])}`,
      figure(one.wallNs),
      figure(one.millionPerCpuSecond),
      index === 0 ? "the headline" : `${figure(one.timesHeadline)} x as fast`,
      index === 0 ? "" : `${figure(one.timesHeadlineAtBest)} x`,
      one.target === undefined ? "" : `>= ${one.target}`,
      one.met === undefined ? "" : verdict(one.met),
    ]),
  );
}

/** The table of the first elements. Ours are to get through ten operators with no macrotask and no further microtask. */
export function firstTable(rows: readonly First[]): string {
  return table(
    ["first element", "microtasks, no operator", "ten operators", "macrotasks", ""],
    rows.map((row) => [
      row.title,
      String(row.bare.microtasks),
      String(row.throughTen.microtasks),
      String(row.throughTen.macrotasks),
      row.title === "comet-sockets" ? verdict(costsNothing(row)) : "",
    ]),
  );
}

function costsNothing({ bare, throughTen }: First): boolean {
  return throughTen.macrotasks === 0 && throughTen.microtasks === bare.microtasks;
}

function verdict(met: boolean): string {
  return met ? "met" : "MISSED";
}

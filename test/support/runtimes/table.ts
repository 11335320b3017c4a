/** The table of docs/runtimes.md, from the cases and the runtimes of the contract. */
import { cases } from "./cases.ts";
import { runtimes, type Limits } from "./runtimes.ts";

/** The lines between which the document has what {@link runtimesTable} returns. */
export const tableStart = "<!-- table: npm run docs:runtimes -->";
export const tableEnd = "<!-- end of table -->";

/** What the cell of a case says about a limit of the runtime, if the case shows one. */
function limitOf(column: string, limits: Limits): { readonly cell: string; readonly reason: string } | undefined {
  const { noticesFinLate = false, logsBreakOffs, hasStorage = false } = limits;
  if (column === "FIN" && noticesFinLate) {
    const reason = "the runtime learns of it when the hub next writes, at the latest with the next heartbeat";
    return { cell: "late", reason };
  }
  if (column === "stalled" && logsBreakOffs !== undefined) {
    return { cell: "printed", reason: "the server prints an error for each of them" };
  }
  if (column === "overflow" && hasStorage) {
    return { cell: "gap", reason: "the hub reads what is missing from the storage, and a client gets a `gap`" };
  }
  return undefined;
}

/** Returns a table with a row for each runtime and a column for each case, and the reasons of the cases that are missing. */
export function runtimesTable(): string {
  const reasons: string[] = [];
  const numberOf = (reason: string): number => {
    if (!reasons.includes(reason)) reasons.push(reason);
    return reasons.indexOf(reason) + 1;
  };
  const header = ["", ...cases.map(({ column }) => column)];
  const rows = runtimes.map((runtime) => [
    runtime.name,
    ...cases.map(({ column, missing }) => {
      const reason = missing?.(runtime);
      if (reason !== undefined) return `(${numberOf(reason)})`;
      const limit = limitOf(column, runtime.limits);
      return limit === undefined ? "yes" : `${limit.cell} (${numberOf(limit.reason)})`;
    }),
  ]);
  const line = (cells: readonly string[]): string => `| ${cells.join(" | ")} |`;
  const table = [line(header), line(header.map(() => "---")), ...rows.map(line)].join("\n");
  const legend = cases.map(({ column, title }) => `- ${column}: ${title}`).join("\n");
  const notes = reasons.map((reason, i) => `(${i + 1}) ${reason}.`).join(" ");
  return `${table}\n\n${notes}\n\n${legend}`;
}

/** Returns a document with the table in its place. @throws {Error} if it has no place for it. */
export function withTable(document: string): string {
  const [before, rest] = document.split(tableStart);
  const after = rest?.split(tableEnd)[1];
  if (before === undefined || after === undefined) throw new Error("The document has no place for the table.");
  return `${before}${tableStart}\n\n<!-- prettier-ignore -->\n${runtimesTable()}\n\n${tableEnd}${after}`;
}

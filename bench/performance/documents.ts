import { readFileSync, writeFileSync } from "node:fs";
import { describeRun } from "../support/run.ts";
import type { Parts } from "./markers.ts";
import { writeParts } from "./markers.ts";
import type { Results } from "./results.ts";
import { millionTables, modelTable, residualTable, simulationTable } from "./scale-tables.ts";
import { otherSizes, sizingFigures, sizingText } from "./sizing.ts";
import {
  backlogTable,
  connectionTable,
  delayTable,
  encodingTable,
  fanoutTable,
  http2Table,
  readmeFigures,
  runText,
} from "./speed-tables.ts";
import { targetTable } from "./targets.ts";

const root = new URL("../../", import.meta.url);

type Writers = Readonly<Record<string, (results: Results) => string>>;

/** The documents that a run writes, and the parts of each. */
const documents: Readonly<Record<string, Writers>> = {
  "docs/performance.md": {
    run: runText,
    fanout: fanoutTable,
    delay: delayTable,
    http2: http2Table,
    connections: connectionTable,
    backlog: backlogTable,
    encoding: encodingTable,
    model: modelTable,
    residuals: residualTable,
    million: millionTables,
    simulation: simulationTable,
    targets: targetTable,
  },
  "docs/deployment.md": { sizing: sizingText, sizes: otherSizes, figures: sizingFigures },
  "README.md": {
    "cpu-ours": (results) => readmeFigures(results, "ours", " µs"),
    "cpu-bare": (results) => readmeFigures(results, "bare-write"),
    "cpu-better-sse": (results) => readmeFigures(results, "better-sse"),
    "cpu-socket-io": (results) => readmeFigures(results, "socket-io"),
    chart: ({ run }) => describeRun(run),
  },
};

/** What a run writes into a document, by the names of its parts. */
export function partsOf(path: string, results: Results): Parts {
  return mapped(documents[path] ?? {}, (write) => write(results));
}

/** @throws {RangeError} if a document lacks the place of a part: before a run, not after it. */
export function checkDocuments(): void {
  for (const [path, writers] of Object.entries(documents)) {
    try {
      writeParts(
        readFileSync(new URL(path, root), "utf8"),
        mapped(writers, () => ""),
      );
    } catch (error) {
      throw new RangeError(path, { cause: error });
    }
  }
}

/** Writes the figures of a run into the documents. @returns The paths of the documents. */
export function writeDocuments(results: Results): readonly string[] {
  // All of them before any is written.
  const written = Object.keys(documents).map((path) => {
    const url = new URL(path, root);
    return [path, url, writeParts(readFileSync(url, "utf8"), partsOf(path, results))] as const;
  });
  for (const [, url, text] of written) writeFileSync(url, text);
  return written.map(([path]) => path);
}

function mapped(writers: Writers, part: (write: Writers[string]) => string): Parts {
  return Object.fromEntries(Object.entries(writers).map(([name, write]) => [name, part(write)]));
}

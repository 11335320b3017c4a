/** Writes the table of docs/runtimes.md: `npm run docs:runtimes`. A test compares it. */
import { readFileSync, writeFileSync } from "node:fs";
import { withTable } from "../test/support/runtimes/table.ts";

const path = "docs/runtimes.md";
writeFileSync(path, withTable(readFileSync(path, "utf8")));

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { withTable } from "../support/runtimes/table.ts";
import { root } from "../support/run.ts";

test("docs/runtimes.md has the table of the contract's cases: npm run docs:runtimes", () => {
  const document = readFileSync(join(root, "docs/runtimes.md"), "utf8");
  expect(document).toBe(withTable(document));
});

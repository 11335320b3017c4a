/**
 * Tests the package with real frameworks: `npm run test:frameworks` tests all, `-- express next` two of them, and
 * `-- --today` the three whose turn it is. After a success it writes the table of docs/frameworks.md.
 */
import { spawnSync } from "node:child_process";
import { readFileSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { frameworksOfDay, frameworksTable, readFrameworks } from "../test/frameworks/framework.ts";

/** Returns a document with a table between its two marks. */
export function withTable(document: string, table: string): string {
  return document.replace(
    /(<!-- table -->\n).*?(<!-- \/table -->)/s,
    (_, begin: string, end: string) => `${begin}\n${table}\n\n${end}`,
  );
}

if (import.meta.main) {
  const root = resolve(import.meta.dirname, "..");
  const frameworks = readFrameworks();
  const known = [...frameworks.map(({ name }) => name), "jest"];
  const given = process.argv.slice(2);
  const names = given.includes("--today") ? frameworksOfDay(known, new Date()) : given;
  const unknown = names.filter((name) => !known.includes(name));
  if (unknown.length > 0) {
    console.error(`There is no example of ${unknown.join(", ")}. There are: ${known.join(", ")}.`);
    process.exit(1);
  }
  console.log(`Frameworks: ${(names.length > 0 ? names : known).join(", ")}`);
  const chosen = names.length > 0 ? names : known;
  const files = [
    ...(chosen.some((name) => name !== "jest") ? ["frameworks.test.ts"] : []),
    ...(chosen.includes("jest") ? ["jest.test.ts"] : []),
  ];
  const { status } = spawnSync("vitest", ["run", "--config", "test/frameworks/vitest.config.ts", ...files], {
    cwd: root,
    stdio: "inherit",
    env: { ...process.env, FRAMEWORKS: names.join(",") },
  });
  process.exitCode = status ?? 1;
  if (status === 0) {
    const file = join(root, "docs/frameworks.md");
    writeFileSync(file, withTable(readFileSync(file, "utf8"), frameworksTable(frameworks)));
  }
}

import { join } from "node:path";
import { ESLint } from "eslint";
import { expect, test } from "vitest";
import { root } from "../support/run.ts";

const eslint = new ESLint({ cwd: root });

/** The rules that a line breaks where it stands first in an existing file of the sources. */
async function broken(file: string, line: string): Promise<(string | null)[]> {
  const [result] = await eslint.lintText(`${line}\n`, { filePath: join(root, "src", file) });
  return (result?.messages ?? []).map(({ ruleId }) => ruleId);
}

test.each([
  ["core/errors.ts", "../stream/index.ts"],
  ["core/errors.ts", "../wire/html.ts"],
  ["stream/run.ts", "../wire/html.ts"],
  ["stream/run.ts", "../http/chunked.ts"],
  ["stream/operators/map.ts", "../../http/chunked.ts"],
  ["wire/html.ts", "../stream/run.ts"],
  ["wire/html.ts", "../http/chunked.ts"],
  ["http/chunked.ts", "../adapters/node/index.ts"],
  ["http/chunked.ts", "../index.ts"],
  ["http/chunked.ts", "node:http"],
  ["stream/run.ts", "node:events"],
])("%s may not import %s", async (file, imported) => {
  expect(await broken(file, `import * as x from "${imported}"; export const y = x;`)).toContain("no-restricted-imports");
});

test.each([
  ["http/chunked.ts", "../stream/pump.ts"],
  ["adapters/node/send-chunked.ts", "node:http"],
  ["stream/operators/map.ts", "../../core/errors.ts"],
])("%s may import %s", async (file, imported) => {
  expect(await broken(file, `import * as x from "${imported}"; export const y = x;`)).not.toContain("no-restricted-imports");
});

test.each(["process", "Buffer", "document", "window"])("portable code may not use %s", async (name) => {
  expect(await broken("http/chunked.ts", `export const x: unknown = ${name};`)).toContain("no-restricted-globals");
});

test("a circle of imports is found", async () => {
  const line = `import { Pump } from "./pump.ts"; export const x = Pump;`;
  expect(await broken("stream/open.ts", line)).toContain("import-x/no-cycle");
});

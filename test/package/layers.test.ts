import { copyFileSync, mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ESLint } from "eslint";
import { beforeAll, expect, test } from "vitest";
import { root, run } from "../support/run.ts";

beforeAll(() => void mkdirSync(join(root, "test-results"), { recursive: true }));

/** These rules need no types, so no program is made for them. */
const eslint = new ESLint({
  cwd: root,
  ruleFilter: ({ ruleId }) => ruleId.startsWith("no-restricted-"),
  overrideConfig: { languageOptions: { parserOptions: { projectService: false, project: false } } },
});

/** The rules that a line breaks as the first line of an existing file of the sources. */
async function broken(file: string, line: string): Promise<(string | null)[]> {
  const [result] = await eslint.lintText(`${line}\n`, { filePath: join(root, "src", file) });
  return (result?.messages ?? []).map(({ ruleId }) => ruleId);
}

test.each([
  ["core/errors.ts", "../stream/index.ts"],
  ["core/errors.ts", "../html/html.ts"],
  ["stream/run.ts", "../html/html.ts"],
  ["stream/run.ts", "../http/chunked.ts"],
  ["stream/operators/map.ts", "../../http/chunked.ts"],
  ["html/html.ts", "../stream/run.ts"],
  ["wire/literal.ts", "../html/html.ts"],
  ["wire/literal.ts", "../http/chunked.ts"],
  ["http/chunked.ts", "../adapters/node/index.ts"],
  ["http/chunked.ts", "../index.ts"],
  ["http/chunked.ts", "node:http"],
  ["stream/run.ts", "node:events"],
])("forbids %s to import %s", async (file, imported) => {
  expect(await broken(file, `import * as x from "${imported}"; export const y = x;`)).toContain(
    "no-restricted-imports",
  );
});

test.each([
  ["http/chunked.ts", "../stream/pump.ts"],
  ["adapters/node/send-chunked.ts", "node:http"],
  ["stream/operators/map.ts", "../../core/errors.ts"],
])("allows %s to import %s", async (file, imported) => {
  expect(await broken(file, `import * as x from "${imported}"; export const y = x;`)).not.toContain(
    "no-restricted-imports",
  );
});

test.each(["process", "Buffer", "document", "window"])("forbids portable code to use %s", async (name) => {
  expect(await broken("http/chunked.ts", `export const x: unknown = ${name};`)).toContain("no-restricted-globals");
});

test("allows one file alone to take a module of Node at run time", async () => {
  const line = 'export const x: unknown = globalThis.process.getBuiltinModule("node:zlib");';
  expect(await broken("hub/packing/packing.ts", line)).toContain("no-restricted-properties");
  expect(await broken("hub/packing/zlib.ts", line)).not.toContain("no-restricted-properties");
});

test.each<[string, string, Readonly<Record<string, string>>]>([
  ["a circle of imports", "no-circular", { "a.ts": 'import "./b.ts";', "b.ts": 'import "./a.ts";' }],
  [
    "a circle of imported types",
    "no-circular",
    {
      "a.ts": 'import type { B } from "./b.ts"; export type A = B;',
      "b.ts": 'import type { A } from "./a.ts"; export type B = A;',
    },
  ],
  ["an import of what is not there", "not-to-unresolvable", { "a.ts": 'import "./nothing.ts";' }],
  ["a run-time dependency", "no-runtime-dependencies", { "a.ts": 'import "fast-check";' }],
  ["a framework outside of its binding", "no-runtime-dependencies", { "client/a.ts": 'import "react";' }],
  ["a framework in the store of all", "store-without-framework", { "client/bindings/comet-store.ts": 'import "vue";' }],
  ...["react", "vue", "svelte", "solid"].map((name): [string, string, Record<string, string>] => [
    `another dependency in the binding of ${name}`,
    `only-${name}`,
    { [`client/bindings/${name}.ts`]: 'import "fast-check";' },
  ]),
])("detects %s", async (_, rule, files) => {
  const folder = mkdtempSync(join(root, "test-results", "layers-"));
  mkdirSync(join(folder, "src/client/bindings"), { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, "src", name), text);
  for (const name of [".dependency-cruiser.js", "tsconfig.build.json", "tsconfig.base.json"])
    copyFileSync(join(root, name), join(folder, name));
  const depcruise = join(root, "node_modules/dependency-cruiser/bin/dependency-cruise.mjs");
  try {
    await expect(run(process.execPath, [depcruise, "src", "--output-type", "err"], folder)).rejects.toThrow(rule);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

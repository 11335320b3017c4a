import { mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, onTestFinished, test } from "vitest";
import { apiReports } from "../../scripts/api.ts";
import { entryPointsOf } from "../../scripts/entry-points.ts";
import { root } from "../support/run.ts";

/** Made of `dist/`, as it was last built. */
const reports = apiReports(root);

test("has exactly one report in api/ for each entry point", () => {
  expect(readdirSync(join(root, "api")).sort()).toEqual(
    entryPointsOf(root)
      .map(({ name }) => `${name}.api.md`)
      .sort(),
  );
});

test.each(reports)("api/$file is up to date; `npm run api` writes it", ({ file, text }) => {
  expect(text).toBe(readFileSync(join(root, "api", file), "utf8"));
});

test("exports each type that a public signature names from an entry point", () => {
  const forgotten = reports.flatMap(({ file, forgotten }) => forgotten.map((name) => `${file}: ${name}`));
  expect(forgotten).toEqual([]);
});

/** A package with these declarations in `dist/`, and an entry point for each file except those in `dist/lib/`. */
function fixture(files: { readonly [path: string]: string }): string {
  mkdirSync(join(root, "test-results"), { recursive: true });
  const folder = mkdtempSync(join(root, "test-results", "api-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  const exports: { [subpath: string]: { types: string } } = {};
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, "dist", path)), { recursive: true });
    writeFileSync(join(folder, "dist", path), text);
    const subpath = path === "index.d.ts" ? "." : `./${path.replace(".d.ts", "")}`;
    if (!path.startsWith("lib/")) exports[subpath] = { types: `./dist/${path}` };
  }
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "fixture", exports }));
  return folder;
}

const code = (text = ""): string => /```ts\n(.*)```\n$/s.exec(text)?.[1]?.trim() ?? text;

test("reports the surface of an entry point, and imports the exports of another", () => {
  const made = apiReports(
    fixture({
      "lib/hub.d.ts": "/** A hub. */\nexport declare class Hub {\n    close(): void;\n}\n",
      "index.d.ts": 'export { Hub } from "./lib/hub.ts";\n',
      "node.d.ts":
        'import type { Hub } from "./lib/hub.ts";\n/** Serves a hub. */\nexport declare function serve(hub: Hub): void;\n',
    }),
  );
  expect(made.map(({ file, text, forgotten }) => [file, code(text), forgotten])).toEqual([
    ["index.api.md", "// @public\nexport class Hub {\n    // (undocumented)\n    close(): void;\n}", []],
    ["node.api.md", "import { Hub } from 'fixture';\n\n// @public\nexport function serve(hub: Hub): void;", []],
  ]);
});

test("lists a type that no entry point exports as forgotten, and reports it", () => {
  const [made] = apiReports(
    fixture({
      "lib/options.d.ts": "/** Options. */\nexport interface Options { readonly ms: number; }\n",
      "index.d.ts":
        'import type { Options } from "./lib/options.ts";\n/** Runs. */\nexport declare function run(options: Options): void;\n',
    }),
  );
  expect(made?.forgotten).toEqual(["Options"]);
  expect(code(made?.text)).toContain("\ninterface Options {");
});

test("does not list a type as forgotten that is exported by another name", () => {
  const made = apiReports(
    fixture({
      "lib/ways.d.ts": "/** A way. */\nexport declare function way(): void;\n",
      "lib/types.d.ts":
        "/** A box. */\nexport interface Box<E> { readonly value: E; }\n/** A history. */\nexport interface History { readonly length: 1; }\n",
      "index.d.ts":
        'import type { Box as Inner, History } from "./lib/types.ts";\nimport * as ways from "./lib/ways.ts";\n' +
        "/** A box. */\nexport type Box<E> = Inner<E>;\n/** Ways. */\nexport declare const Box: typeof ways;\n" +
        "export type { History };\n/** Opens. */\nexport declare function open(box: Inner<string>): History;\n",
      "other.d.ts":
        'import type { Box, History } from "./lib/types.ts";\n/** Shuts. */\nexport declare function shut(box: Box<History>): void;\n',
    }),
  );
  expect(made.map(({ forgotten }) => forgotten)).toEqual([[], []]);
  expect(code(made[1]?.text)).toMatch(/^import \{ Box, History as History_2 \} from 'fixture';\n\n/);
});

test("writes the same report in any folder and with any line ends", () => {
  const declarations = "/** A hub. */\nexport declare class Hub {\n  close(): void;\n}\n";
  const [one] = apiReports(fixture({ "index.d.ts": declarations }));
  const [other] = apiReports(fixture({ "index.d.ts": declarations.replaceAll("\n", "\r\n") }));
  expect(other).toEqual(one);
  expect(one?.text).not.toMatch(/\r|test-results/);
});

test("throws for an entry point that was not built", () => {
  const folder = fixture({ "index.d.ts": "", "client.d.ts": "" });
  rmSync(join(folder, "dist/client.d.ts"));
  expect(() => apiReports(folder)).toThrow("dist/client.d.ts");
});

test.each([
  ["without declarations", { "./node": "./dist/node.js" }],
  ["with a pattern", { "./*": { types: "./dist/*.d.ts" } }],
])("throws for an entry point %s", (_, exports) => {
  const folder = fixture({});
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "fixture", exports }));
  expect(() => entryPointsOf(folder)).toThrow("must give ./");
});

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { afterAll, expect, test } from "vitest";
import { root } from "../support/run.ts";

const folder = mkdtempSync(join(root, "node_modules/.bundle-"));
afterAll(() => rmSync(folder, { recursive: true }));

/** Bytes of a browser's bundle of some code, minified and gzipped. */
async function bundled(code: string): Promise<number> {
  const entry = join(folder, "entry.ts");
  writeFileSync(entry, code);
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    write: false,
    alias: { "comet-sockets": join(root, "src/index.ts") },
  });
  return gzipSync(outputFiles[0]?.contents ?? "", { level: 9 }).length;
}

// Ceilings a little above what was measured when they were set; raising one is a decision.
test.each([
  ["Enumerator alone", `import { Enumerator } from "comet-sockets"; console.log(Enumerator);`, 5_950],
  [
    "the whole stream algebra",
    `import { Enumerator, Enumeratee, Iteratee } from "comet-sockets"; console.log(Enumerator, Enumeratee, Iteratee);`,
    9_200,
  ],
  ["comet and chunked", `import { comet, chunked } from "comet-sockets"; console.log(comet, chunked);`, 6_700],
  ["everything", `export * from "comet-sockets";`, 14_200],
])("%s stays small", async (_, code, ceiling) => {
  const bytes = await bundled(code);
  expect(bytes).toBeLessThanOrEqual(ceiling);
});

import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { afterAll, expect, test } from "vitest";
import { root } from "../support/run.ts";

const folder = mkdtempSync(join(root, "node_modules/.bundle-"));
afterAll(() => rmSync(folder, { recursive: true }));

const frameworks = ["react", "vue", "svelte", "solid"];

/** A browser's bundle of some code, minified, without the frameworks. */
async function bundled(code: string): Promise<string> {
  const entry = join(folder, "entry.ts");
  writeFileSync(entry, code);
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    minify: true,
    format: "esm",
    target: "es2022",
    write: false,
    alias: {
      "comet-sockets/client": join(root, "src/client/index.ts"),
      ...Object.fromEntries(
        frameworks.map((name) => [`comet-sockets/${name}`, join(root, `src/client/bindings/${name}.ts`)]),
      ),
      "comet-sockets": join(root, "src/index.ts"),
    },
    external: [...frameworks, "solid-js"],
  });
  return outputFiles[0]?.text ?? "";
}

/** Bytes, gzipped. */
const sizeOf = async (code: string): Promise<number> => gzipSync(await bundled(code), { level: 9 }).length;

/** A page that follows a hub over the one wire that it imports. */
const oneWire = (wire: string, made = wire): string =>
  `import { BareSource, ${wire} } from "comet-sockets/client"; new BareSource("/live", { wire: ${made} }).onmessage = console.log;`;

// Each ceiling is ten bytes above the size measured when it was set. Raising one is a decision.
test.each([
  ["Enumerator alone", `import { Enumerator } from "comet-sockets"; console.log(Enumerator);`, 5_810],
  [
    "the whole stream algebra",
    `import { Enumerator, Enumeratee, Iteratee } from "comet-sockets"; console.log(Enumerator, Enumeratee, Iteratee);`,
    8_987,
  ],
  ["comet and chunked", `import { comet, chunked } from "comet-sockets"; console.log(comet, chunked);`, 6_821],
  ["everything", `export * from "comet-sockets";`, 56_150],
  [
    "the client, with all wires",
    `import { CometSource } from "comet-sockets/client"; new CometSource("/live").onmessage = console.log;`,
    // `Backoff`, which the brokers share, takes 75 bytes of it, and topics that end take 480. Without the pauses of ndjson
    // it measures 5,908, without the replacement of wires that fail at once 5,994, and without the `EventSource` that
    // gives up or throws 5,985.
    6_038,
  ],
  ["the client, with ndjson", oneWire("ndjson"), 4_110],
  ["the client, with sse", oneWire("sse"), 3_581],
  ["the client, with comet", oneWire("comet"), 3_832],
  ["the client, with poll", oneWire("poll"), 3_835],
  ["the client, with comet from another origin", oneWire("postedComet", "postedComet()"), 3_866],
])("%s stays small", async (_, code, ceiling) => {
  const bytes = await sizeOf(code);
  expect(bytes).toBeLessThanOrEqual(ceiling);
});

// The rest is the client with all wires.
test.each([
  ["react", 951],
  ["vue", 928],
  ["svelte", 1_013],
  ["solid", 931],
])("the binding of %s adds little to the client", async (name, ceiling) => {
  const client = await sizeOf(`import { CometSource } from "comet-sockets/client"; console.log(CometSource);`);
  const bytes = await sizeOf(`import { useComet } from "comet-sockets/${name}"; console.log(useComet);`);
  expect(bytes - client).toBeLessThanOrEqual(ceiling);
});

test("excludes the element from a page that does not define it", async () => {
  const traces = ["customElements", "HTMLElement", "observedAttributes"];
  const without = await bundled(`import { CometSource } from "comet-sockets/client"; console.log(CometSource);`);
  const all = await bundled(`import { defineCometSource } from "comet-sockets/client"; defineCometSource();`);
  expect(traces.filter((trace) => without.includes(trace))).toEqual([]);
  expect(traces.filter((trace) => all.includes(trace))).toEqual(traces);
});

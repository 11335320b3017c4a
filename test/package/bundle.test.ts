import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { build } from "esbuild";
import { afterAll, expect, test } from "vitest";
import { root } from "../support/run.ts";

const folder = mkdtempSync(join(root, "node_modules/.bundle-"));
afterAll(() => rmSync(folder, { recursive: true }));

const frameworks = ["react", "vue", "svelte", "solid"];

/** A browser's bundle of some code, minified, without the frameworks; except for its names if they are kept. */
async function bundled(code: string, keepsNames = false): Promise<string> {
  const entry = join(folder, "entry.ts");
  writeFileSync(entry, code);
  const { outputFiles } = await build({
    entryPoints: [entry],
    bundle: true,
    minifyWhitespace: true,
    minifySyntax: true,
    minifyIdentifiers: !keepsNames,
    format: "esm",
    target: "es2022",
    write: false,
    alias: {
      "comet-sockets/client": join(root, "src/client/index.ts"),
      "comet-sockets/ai/client": join(root, "src/client/ai/index.ts"),
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
  ["everything", `export * from "comet-sockets";`, 63_800],
  [
    "the client, with all wires",
    `import { CometSource } from "comet-sockets/client"; new CometSource("/live").onmessage = console.log;`,
    // Other topics on an open source take 120 bytes of it, `reconnect()` 17, and the code for a browser without a network 47.
    // Topics that end take 480, and a page that the browser brings back 10.
    6_085,
  ],
  [
    "the client, with ndjson or else sse",
    `import { BareSource, firstOf, ndjson, sse } from "comet-sockets/client"; new BareSource("/live", { wire: firstOf([ndjson, sse], 3000) }).onmessage = console.log;`,
    5_007,
  ],
  ["the client, with ndjson", oneWire("ndjson"), 4_195],
  ["the client, with sse", oneWire("sse"), 3_662],
  ["the client, with comet", oneWire("comet"), 3_908],
  ["the client, with poll", oneWire("poll"), 3_921],
  ["the client, with comet from another origin", oneWire("postedComet", "postedComet()"), 3_952],
  ["fetchEvents", `import { fetchEvents } from "comet-sockets/client"; console.log(fetchEvents);`, 3_127],
  [
    "the transport of the AI SDK",
    `import { CometChatTransport } from "comet-sockets/ai/client"; new CometChatTransport();`,
    4_136,
  ],
  ["batches", `import { batches } from "comet-sockets/client"; console.log(batches);`, 697],
  ["logTo", `import { logTo } from "comet-sockets/client"; console.log(logTo);`, 830],
  ["logWire", `import { logWire } from "comet-sockets/client"; console.log(logWire);`, 854],
])("%s stays small", async (_, code, ceiling) => {
  const bytes = await sizeOf(code);
  expect(bytes).toBeLessThanOrEqual(ceiling);
});

// The rest is the client with all wires.
test.each([
  ["react", 959],
  ["vue", 937],
  ["svelte", 1_034],
  ["solid", 937],
])("the binding of %s adds little to the client", async (name, ceiling) => {
  const client = await sizeOf(`import { CometSource } from "comet-sockets/client"; console.log(CometSource);`);
  const bytes = await sizeOf(`import { useComet } from "comet-sockets/${name}"; console.log(useComet);`);
  expect(bytes - client).toBeLessThanOrEqual(ceiling);
});

test("holds nothing of a hub in the transport of the AI SDK", async () => {
  const code = await bundled(`import { CometChatTransport } from "comet-sockets/ai/client"; new CometChatTransport();`);
  const traces = ["idempotency-key", "maxTopics", "frame-ancestors", "ERR_TOPIC_UNKNOWN", "flushSliceMs"];
  expect(traces.filter((trace) => code.includes(trace))).toEqual(["idempotency-key"]);
});

test.each([
  ["the element", "defineCometSource", ["customElements", "HTMLElement", "observedAttributes"]],
  [
    "fetchEvents",
    "fetchEvents",
    ["EventStreamError", "text/event-stream", "ERR_PARSE", "maxEventLength", "ERR_OPTION"],
  ],
  ["batches", "batches", ["requestAnimationFrame", "ERR_OPTION"]],
  ["logTo", "logTo", ["messages are missing", "ERR_OPTION"]],
  ["logWire", "logWire", ["request without a position", "closed by the client", "ERR_OPTION"]],
])("excludes %s from a page that does not import it", async (_, name, traces) => {
  const without = await bundled(`import { CometSource } from "comet-sockets/client"; console.log(CometSource);`);
  const all = await bundled(`import { ${name} } from "comet-sockets/client"; console.log(${name});`);
  expect(traces.filter((trace) => without.includes(trace))).toEqual([]);
  expect(traces.filter((trace) => all.includes(trace))).toEqual(traces);
});

test("gives a page the same bytes with and without the modules that it does not import", async () => {
  const source = `new CometSource("/live").onmessage = console.log;`;
  const path = (file: string): string => JSON.stringify(join(root, "src/client", file));
  const alone = await bundled(`import { CometSource } from ${path("comet-source.ts")}; ${source}`, true);
  const among = await bundled(`import { CometSource } from "comet-sockets/client"; ${source}`, true);
  expect(among === alone).toBe(true);
});

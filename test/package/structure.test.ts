import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { describe, expect, onTestFinished, test } from "vitest";
import { structureOf, type Structure } from "../../scripts/structure.ts";
import { root } from "../support/run.ts";

/** The most files that the longest chain of imports within a room may have. */
const LONGEST_CHAIN: { readonly [room: string]: number } = {
  adapters: 9,
  "adapters/bun": 3,
  "adapters/deno": 2,
  "adapters/node": 6,
  "adapters/workers": 2,
  brokers: 12,
  "brokers/memory": 3,
  "brokers/nats": 11,
  "brokers/postgres": 9,
  "brokers/redis": 6,
  "brokers/sqlite": 11,
  client: 7,
  core: 2,
  html: 3,
  http: 3,
  hub: 12,
  "hub/admission": 5,
  "hub/delivery": 7,
  "hub/presence": 5,
  "hub/topics": 6,
  log: 4,
  stream: 12,
  surfaces: 10,
  "surfaces/ai": 5,
  "surfaces/durable-streams": 10,
  wire: 4,
};
/** The same, of a room that is not in the table. */
const LONGEST_CHAIN_ELSEWHERE = 7;

/** Files that nothing uses yet. */
const NOT_USED_YET: readonly string[] = [];

describe("src/", () => {
  const structure = structureOf(root);

  test("has no unreachable file", () => {
    expect(structure.unreachable).toEqual(NOT_USED_YET);
  });

  test.each(structure.rooms)("has no chain of imports in $name/ above its limit", ({ name, chain }) => {
    const most = LONGEST_CHAIN[name] ?? LONGEST_CHAIN_ELSEWHERE;
    expect(chain.length, chain.join(" > ")).toBeLessThanOrEqual(most);
  });

  test("has each room of the table", () => {
    expect(structure.rooms.map(({ name }) => name)).toEqual(expect.arrayContaining(Object.keys(LONGEST_CHAIN)));
  });

  test("has no import past a door, and no door that names a missing file", () => {
    expect([...structure.pastDoors, ...structure.falseDoors]).toEqual([]);
  });

  test("has a README.md in each room", () => {
    expect(structure.unexplained).toEqual([]);
  });
});

/** The structure of a package with these files in `src/`, and a comment in each that looks like an import. */
function structureWith(files: { readonly [path: string]: string }, manifest: object = {}): Structure {
  const folder = mkdtempSync(join(tmpdir(), "comet-sockets-structure-"));
  onTestFinished(() => rmSync(folder, { recursive: true }));
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(folder, "src", path)), { recursive: true });
    writeFileSync(join(folder, "src", path), path.endsWith(".ts") ? `// import "./nothing.ts";\n${text}\n` : text);
  }
  const exports = { ".": { types: "./dist/index.d.ts" }, "./package.json": "./package.json" };
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "fixture", exports, ...manifest }));
  return structureOf(folder);
}

const chainsOf = ({ rooms }: Structure): { readonly [room: string]: string } =>
  Object.fromEntries(rooms.map(({ name, chain }) => [name, chain.join(" > ")]));

describe("a file", () => {
  const entry = { "index.ts": 'import "./core/a.ts";', "core/a.ts": "" };

  test("that no entry point reaches is reported, even if another such file imports it", () => {
    const { unreachable } = structureWith({ ...entry, "core/b.ts": 'import "./c.ts";', "core/c.ts": "" });
    expect(unreachable).toEqual(["core/b.ts", "core/c.ts"]);
  });

  test.each([
    'import type { B } from "./b.ts"; export type A = B;',
    'export type { B } from "./b.ts";',
    'export * from "./b.ts";',
    'export const b = import("./b.ts");',
    'export type A = import("./b.ts").B;',
  ])("is reached by %s", (text) => {
    const { unreachable } = structureWith({ ...entry, "core/a.ts": text, "core/b.ts": "export type B = 1;" });
    expect(unreachable).toEqual([]);
  });

  test.each([
    ["an export", { exports: { ".": { types: "./dist/index.d.ts" }, "./b": { types: "./dist/core/b.d.ts" } } }],
    ["a program", { bin: { fixture: "./dist/core/b.js" } }],
    ["the one program", { bin: "dist/core/b.js" }],
  ])("is reached as %s of package.json", (_, manifest) => {
    expect(structureWith({ ...entry, "core/b.ts": "" }, manifest).unreachable).toEqual([]);
  });

  test("that package.json or an import names must exist", () => {
    expect(() => structureWith({ "core/a.ts": "" })).toThrow("package.json names src/index.ts");
    expect(() => structureWith({ "index.ts": 'import "./core/b.ts";' })).toThrow("index.ts imports core/b.ts");
  });
});

describe("the longest chain of imports", () => {
  test("is that within the room: types count, other rooms do not", () => {
    const structure = structureWith({
      "index.ts": 'import "./hub/a.ts";',
      "hub/a.ts": 'import "./b.ts"; import "./topics/c.ts"; import "../core/e.ts";',
      "hub/b.ts": 'import type { C } from "./topics/c.ts"; export type B = C;',
      "hub/topics/c.ts": 'import "./d.ts"; export type C = 1;',
      "hub/topics/d.ts": 'import "../../core/e.ts";',
      "core/e.ts": 'import "./f.ts";',
      "core/f.ts": "",
    });
    expect(chainsOf(structure)).toEqual({
      core: "e.ts > f.ts",
      hub: "a.ts > b.ts > topics/c.ts > topics/d.ts",
      "hub/topics": "c.ts > d.ts",
    });
    expect(structure.rooms.map(({ files }) => files)).toEqual([2, 4, 2]);
  });

  test("includes the folders of a room that is no house", () => {
    const structure = structureWith({
      "index.ts": 'import "./stream/a.ts";',
      "stream/a.ts": 'import "./operators/b.ts";',
      "stream/operators/b.ts": "",
    });
    expect(chainsOf(structure)).toEqual({ stream: "a.ts > operators/b.ts" });
  });

  test("throws for a circle", () => {
    const files = { "index.ts": "", "hub/a.ts": 'import "./b.ts";', "hub/b.ts": 'import "./a.ts";' };
    expect(() => structureWith(files)).toThrow("A circle of imports: hub/a.ts > hub/b.ts > hub/a.ts");
  });
});

describe("a door", () => {
  const files = {
    "index.ts": 'import "./hub/hub.ts"; import "./hub/topics/topic.ts";',
    "hub/hub.ts": 'import "./topics/log.ts";',
    "hub/topics/topic.ts": 'import "./log.ts";',
    "hub/topics/log.ts": "",
  };

  test.each([
    [
      "the hub opens one file",
      { "hub/README.md": "# Hub\n\nFrom outside: `hub.ts`\n" },
      ["index.ts imports hub/topics/topic.ts past the door of hub/"],
    ],
    ["the hub opens both", { "hub/README.md": "From outside: hub.ts, topics/topic.ts\nAnd nothing else.\n" }, []],
    [
      "topics open one file",
      { "hub/topics/README.md": "From outside: topic.ts" },
      ["hub/hub.ts imports hub/topics/log.ts past the door of hub/topics/"],
    ],
    ["no README has a door", { "hub/README.md": "# Hub\n" }, []],
  ])("is held where %s", (_, readmes, expected) => {
    expect(structureWith({ ...files, ...readmes }).pastDoors).toEqual(expected);
  });

  test("that names a missing file is reported", () => {
    const readmes = { "hub/README.md": "From outside: hub.ts, topic.ts", "hub/topics/README.md": "From outside: " };
    expect(structureWith({ ...files, ...readmes }).falseDoors).toEqual([
      "hub/README.md names topic.ts, which does not exist",
      "hub/topics/README.md names , which does not exist",
    ]);
  });
});

test("reports a room without a README.md", () => {
  const structure = structureWith({ "index.ts": "", "hub/a.ts": "", "hub/topics/b.ts": "", "hub/README.md": "# Hub" });
  expect(structure.unexplained).toEqual(["hub/topics"]);
});

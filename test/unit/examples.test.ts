import { readdirSync, readFileSync } from "node:fs";
import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { expect, onTestFinished, test, vi } from "vitest";
import { root } from "../support/run.ts";

const folder = join(root, "examples");

/** The code blocks of a document that name a file of the repository, by that name. */
function shownIn(document: string): ReadonlyMap<string, string> {
  const text = readFileSync(join(root, document), "utf8");
  return new Map(
    Array.from(text.matchAll(/^```\w+ (examples\/\S+)\n(.*?)^```$/gms), ([, path = "", code = ""]) => [path, code]),
  );
}

/** The files of a folder under `examples`, and how many lines each has. */
function filesIn(path: string): ReadonlyMap<string, number> {
  const names = readdirSync(join(root, path)).filter((name) => name.includes("."));
  const lines = (name: string): number =>
    readFileSync(join(root, path, name), "utf8")
      .trimEnd()
      .split("\n").length;
  return new Map(names.map((name) => [`${path}/${name}`, lines(name)]));
}

test("docs/comet.md shows the five numbered examples, of under 15 lines each", () => {
  const numbered = [...filesIn("examples")].filter(([path]) => /\/\d/.test(path));
  expect(numbered.map(([path]) => path)).toEqual([
    "examples/1-manual.ts",
    "examples/2-enumeratee.ts",
    "examples/3-helper.ts",
    "examples/4-forever-iframe.html",
    "examples/4-forever-iframe.ts",
    "examples/5-own-message-type.ts",
  ]);
  for (const [path, lines] of numbered) expect(lines, path).toBeLessThan(15);
  expect([...shownIn("docs/comet.md").keys()].sort()).toEqual(numbered.map(([path]) => path));
});

test.each([
  ["README.md", ["examples/first/server.mjs", "examples/1-manual.ts"]],
  ["docs/getting-started.md", ["examples/first/server.mjs", ...filesIn("examples/getting-started").keys()]],
  ["docs/migrating.md", [...filesIn("examples/migrating").keys()]],
])("%s shows its examples, of under 60 lines each", (document, paths) => {
  expect([...shownIn(document).keys()].sort()).toEqual(paths.toSorted());
  for (const path of paths) {
    expect(readFileSync(join(root, path), "utf8").trimEnd().split("\n").length, path).toBeLessThan(60);
  }
});

test.each(["README.md", "docs/comet.md", "docs/getting-started.md", "docs/migrating.md"])(
  "matches the examples in %s to the files that they name",
  (document) => {
    const shown = shownIn(document);
    expect(shown.size).toBeGreaterThan(0);
    for (const [path, code] of shown) expect(code, path).toBe(readFileSync(join(root, path), "utf8"));
  },
);

const padding = `${" ".repeat(5120)}<html><body>`;

test.each([
  [
    "1-manual",
    "/",
    "<script>console.log('kiki')</script><script>console.log('foo')</script><script>console.log('bar')</script>",
  ],
  [
    "2-enumeratee",
    "/",
    "<script>console.log('kiki')</script><script>console.log('foo')</script><script>console.log('bar')</script>",
  ],
  [
    "3-helper",
    "/",
    `${padding}<script>console.log('kiki');</script><script>console.log('foo');</script><script>console.log('bar');</script>`,
  ],
  ["4-forever-iframe", "/", readFileSync(join(folder, "4-forever-iframe.html"), "utf8")],
  [
    "4-forever-iframe",
    "/comet",
    `${padding}<script>parent.cometMessage('kiki');</script><script>parent.cometMessage('foo');</script><script>parent.cometMessage('bar');</script>`,
  ],
  [
    "5-own-message-type",
    "/",
    `${padding}<script>console.log({"at":"1970-01-01T00:00:00.000Z","celsius":21.5});</script>`,
  ],
])("%s answers %s", async (name, path, body) => {
  vi.stubEnv("PORT", "0");
  vi.resetModules();
  const { server } = (await import(join(folder, `${name}.ts`))) as { server: Server };
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
    vi.unstubAllEnvs();
  });
  if (!server.listening) await once(server, "listening");
  const response = await fetch(`http://127.0.0.1:${(server.address() as AddressInfo).port}${path}`);
  expect(response.headers.get("content-type")).toBe("text/html; charset=utf-8");
  expect(await response.text()).toBe(body);
});

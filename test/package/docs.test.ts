import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { Enumeratee, Enumerator, Iteratee } from "../../src/index.ts";
import { root } from "../support/run.ts";

const documents = [
  "README.md",
  "CHANGELOG.md",
  "CONTRIBUTING.md",
  "SECURITY.md",
  "PROTOCOL.md",
  ...globSync("docs/**/*.md", { cwd: root }),
];
const text = (path: string): string => readFileSync(join(root, path), "utf8");

test.each(documents)("the links of %s lead somewhere", (path) => {
  for (const [, target = ""] of text(path).matchAll(/\]\((?!https?:|#)([^)#]+)/g)) {
    expect(existsSync(join(root, dirname(path), target)), target).toBe(true);
  }
});

test("docs/streams.md has every name of Play's library", () => {
  const play = `apply enumerate empty unfold unfoldM repeat repeatM generateM fromCallback1 fromStream fromFile outputStream flatten andThen
    interleave through map flatMap onDoneEnumerating run mapM mapConcat mapFlatten filter filterNot collect take takeWhile breakE drop
    dropWhile scanLeft grouped heading trailing passAlong onIterateeDone onEOF recover compose zip zipWith fold foldM fold1 consume head
    getChunks takeUpTo isEmpty skipToEof ignore foreach unicast broadcast patchPanel buffer lazyAndErrIfNotReady dropInputIfNotReady joined`;
  const left = text("docs/streams.md")
    .split("\n")
    .map((line) => line.split("|")[1] ?? "")
    .join("\n");
  for (const name of play.split(/\s+/)) expect(left).toMatch(new RegExp(`\\b${name}\\b`));
});

test("docs/streams.md and the changelog have every name of ours", () => {
  const names = [...Object.keys(Enumerator), ...Object.keys(Enumeratee), ...Object.keys(Iteratee)];
  for (const path of ["docs/streams.md", "CHANGELOG.md"]) {
    for (const name of names) expect(text(path), name).toMatch(new RegExp(`\\b${name}\\b`));
  }
});

test("the decisions are numbered", () => {
  const files = globSync("*.md", { cwd: join(root, "docs/decisions") }).sort();
  for (const [i, file] of files.entries()) {
    expect(file.startsWith(String(i + 1).padStart(4, "0"))).toBe(true);
    expect(text(join("docs/decisions", file))).toMatch(new RegExp(`^# ${i + 1}\\. `));
  }
});

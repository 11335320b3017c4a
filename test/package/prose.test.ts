import { describe, expect, test } from "vitest";
import { ceilings, findingsIn, proseFilesIn, proseResults, resultsOf } from "../../scripts/prose.ts";
import { root } from "../support/run.ts";

/** The findings in a text, as `line rule: word`. */
const found = (file: string, text: string): string[] =>
  findingsIn(file, text).map(({ line, rule, word }) => `${line} ${rule}: ${word}`);

test.each(proseResults(root))("$part has at most $most findings of the rule $rule", ({ findings, most }) => {
  const places = findings.map(({ file, line, rule, word }) => `${file}:${line} ${rule}: ${word}`);
  expect(findings.length, places.join("\n")).toBeLessThanOrEqual(most);
});

test("checks the sources and all documents", () => {
  const files = proseFilesIn(root);
  for (const file of [
    "src/hub/hub.ts",
    "README.md",
    "PROTOCOL.md",
    "docs/deployment.md",
    "docs/decisions/0005-tools.md",
  ]) {
    expect(files).toContain(file);
  }
  expect(files.some((file) => file.includes("node_modules"))).toBe(false);
});

test("reports a part above its ceiling, and any finding in a document without a part", () => {
  const [over] = resultsOf(findingsIn("src/a.ts", "/** What is told. */"), [
    { part: "src", files: /^src\//, rule: "any", most: 1 },
  ]);
  expect(over?.findings.length).toBeGreaterThan(over?.most ?? NaN);
  const results = resultsOf(findingsIn("docs/new.md", "It is told."));
  expect(results.filter(({ findings }) => findings.length > 0)).toMatchObject([{ part: "documents", most: 0 }]);
  expect(ceilings.at(-1)).toMatchObject({ part: "documents", most: 0 });
});

describe("a sentence without a subject", () => {
  test.each(["Whoever", "Who", "Those", "That", "What", "For", "So many", "How"])("begins with %s", (word) => {
    const [opening] = found("a.md", `${word} asks, gets it.`);
    expect(opening).toBe(`1 opening: ${word}`);
    expect(found("a.ts", `/** ${word} asks, gets it. */`)).toContain(`1 opening: ${word}`);
  });

  test.each([
    ["at the beginning of a paragraph", "One.\n\nWhat comes, goes.", 3],
    ["after another sentence", "One comes.\nWhat comes, goes.", 2],
    ["after a sentence in brackets", "(One comes.) What comes, goes.", 1],
    ["in a heading", "# A\n\n## What it costs", 3],
    ["in an item of a list", "- One.\n- What comes, goes.", 2],
    ["in an item of a numbered list", "1. What comes, goes.", 1],
    ["in a cell of a table", "| a | b |\n| --- | --- |\n| c | What comes, goes |", 3],
    ["in bold", "**What it costs.** Much.", 1],
    ["in a link", "[What it costs](a.md).", 1],
  ])("is found %s", (_, text, line) => {
    expect(found("a.md", text)).toEqual([`${line} opening: What`]);
  });

  test.each([
    ["a question", "What does it cost? Much."],
    ["a heading that asks", "## Who may follow a topic?"],
    ["code", "`What` is a name."],
    ["a block of code", "```sh\nWhat is this.\n```"],
    ["a word within a sentence", "It costs What it costs."],
    ["another word", "Whole messages arrive. Format them. However slow it is, it arrives."],
  ])("is not %s", (_, text) => {
    expect(found("a.md", text)).toEqual([]);
  });

  test("is found in every kind of comment, at its line", () => {
    const source = [
      "/**",
      " * A thing. What it",
      " * does, is unclear.",
      " *",
      " * @returns That is so.",
      " * @see {@link What}",
      " */",
      "export class A {",
      "  // One line. It goes on",
      "  // here. For all.",
      "  readonly a = 1; // How it is.",
      "  b(): void {",
      "    // Who?",
      "  }",
      "}",
      "// Those at the end.",
    ];
    expect(found("a.ts", source.join("\n"))).toEqual([
      "2 opening: What",
      "5 opening: That",
      "10 opening: For",
      "11 opening: How",
      "16 opening: Those",
    ]);
  });
});

describe("a word for which the field has a better one", () => {
  test.each(["told", "tell", "tells", "telling", "come back", "comes back", "let go", "nobody", "whoever"])(
    "is %s",
    (word) => {
      expect(found("a.md", `It is ${word} here.`)).toEqual([`1 word: ${word}`]);
      expect(found("a.ts", `// It is ${word} here.`)).toEqual([`1 word: ${word}`]);
      expect(found("a.ts", `const a = "It is ${word} here.";`)).toEqual([`1 word: ${word}`]);
    },
  );

  test("is found over two lines, in capitals, and as a name", () => {
    expect(found("a.md", "They come\nback.")).toEqual(["1 word: come back"]);
    expect(found("a.ts", "/**\n * They come\n * back.\n */")).toEqual(["2 word: come back"]);
    expect(found("a.md", "Nobody knows.")).toEqual(["1 word: Nobody"]);
    expect(found("a.ts", "\nthis.told = `${b} told`;")).toEqual(["2 word: told", "2 word: told"]);
  });

  test("is not a part of another word, nor code in a document", () => {
    expect(found("a.md", "A teller, `tell()`, [link](told.md).\n\n```ts\ntell();\n```")).toEqual([]);
    expect(found("a.ts", "const teller = retold;")).toEqual([]);
  });
});

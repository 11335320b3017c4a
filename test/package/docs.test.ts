import { existsSync, globSync, readFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { defaultTreeAdapter, parseFragment, type DefaultTreeAdapterTypes } from "parse5";
import ts from "typescript";
import { beforeAll, describe, expect, test } from "vitest";
import * as client from "../../src/client/index.ts";
import { Enumeratee, Enumerator, Hub, Iteratee } from "../../src/index.ts";
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

/** The fragments that lead to the headings of a document, as GitHub makes them. */
function anchors(document: string): string[] {
  const headings = text(document).replace(/^```.*?^```$/gms, "");
  return Array.from(headings.matchAll(/^#+ (.*)$/gm), ([, heading = ""]) =>
    heading
      .replace(/\[([^\]]*)\]\([^)]*\)/g, "$1")
      .toLowerCase()
      .replace(/[^\p{L}\p{N}\s_-]/gu, "")
      .replaceAll(" ", "-"),
  );
}

test.each(documents)("has no dead link in %s", (path) => {
  for (const [, target = "", anchor] of text(path).matchAll(/\]\((?!https?:)([^)#\s]*)(?:#([^)\s]+))?\)/g)) {
    const file = target === "" ? path : join(dirname(path), target);
    expect(existsSync(join(root, file)), target).toBe(true);
    if (anchor !== undefined) expect(anchors(file), `${target}#${anchor}`).toContain(anchor);
  }
});

test("documents every name of Play's library in docs/streams.md", () => {
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

test("documents every name of this library in docs/streams.md and the changelog", () => {
  const names = [...Object.keys(Enumerator), ...Object.keys(Enumeratee), ...Object.keys(Iteratee)];
  for (const path of ["docs/streams.md", "CHANGELOG.md"]) {
    for (const name of names) expect(text(path), name).toMatch(new RegExp(`\\b${name}\\b`));
  }
});

test("shows the contract of src/log/broker.ts unchanged in docs/brokers.md", () => {
  const plain = (some: string): string => some.replace(/^ \* ?/gm, "").replace(/\s+/g, " ");
  const contracts = text("src/log/broker.ts").matchAll(/^ \* A broker(?: with it)?\n \*\n(.*?)\n \*\/$/gms);
  const duties = [...contracts].flatMap(([, contract = ""]) =>
    plain(contract)
      .split(/(?:^| )- (?=MUST)/)
      .slice(1),
  );
  expect(duties.length).toBeGreaterThan(14);
  for (const duty of duties) expect(plain(text("docs/brokers.md"))).toContain(duty);
});

test("documents every number of stats() in docs/monitoring.md", () => {
  for (const name of Object.keys(new Hub().stats())) expect(text("docs/monitoring.md")).toContain(`\`${name}\``);
});

test("numbers the decisions without a gap", () => {
  const files = globSync("*.md", { cwd: join(root, "docs/decisions") }).sort();
  for (const [i, file] of files.entries()) {
    expect(file.startsWith(String(i + 1).padStart(4, "0"))).toBe(true);
    expect(text(join("docs/decisions", file))).toMatch(new RegExp(`^# ${i + 1}\\. `));
  }
});

/** A fenced block of code. Its info string is a language, and the path of the file that it shows, if it shows one. */
interface Block {
  readonly language: string;
  readonly path: string | undefined;
  /** The line that its code begins at. */
  readonly line: number;
  readonly code: string;
}

function blocks(document: string): Block[] {
  const markdown = text(document);
  return Array.from(markdown.matchAll(/^```(\w*)(?: (\S+))?\n(.*?)^```$/gms), (match) => ({
    language: match[1] ?? "",
    path: match[2],
    line: markdown.slice(0, match.index).split("\n").length + 1,
    code: match[3] ?? "",
  }));
}

const fragments = (document: string): Block[] => blocks(document).filter(({ path }) => path === undefined);
const shown = (document: string): Block[] => blocks(document).filter(({ path }) => path !== undefined);

test.each(documents.filter((document) => shown(document).length > 0))("shows files unchanged in %s", (document) => {
  for (const { path = "", code } of shown(document)) {
    expect(path).toMatch(/^examples\//);
    expect(code, path).toBe(text(path));
  }
});

test("shows or links every example of the guides in a document, and names it in a test", () => {
  const markdown = documents.map(text).join();
  const tests = globSync("test/{unit,browser,broker}/**/*.test.ts", { cwd: root }).map(text).join();
  for (const path of globSync("examples/guides/**/*.*", { cwd: root })) {
    expect(markdown.includes(` ${path}\n`) || markdown.includes(`../${path})`), path).toBe(true);
    // In quotes or after a slash, so that a word of the prose does not count.
    expect(tests, path).toMatch(new RegExp(`["/]${basename(path, ".ts").replaceAll(".", "\\.")}(?:\\.ts)?\\b`));
  }
});

/** Declarations of the application around the snippets. */
const application = `
import type { CometSource } from "comet-sockets/client";
declare global {
  const source: CometSource;
  function store(type: string, data: unknown): Promise<void>;
  function token(): Promise<string>;
}`;

/** The compiler's errors in files, by their names. Each is a module of an application that has the package installed. */
function diagnosed(files: Readonly<Record<string, string>>): string[] {
  const options: ts.CompilerOptions = {
    module: ts.ModuleKind.NodeNext,
    moduleDetection: ts.ModuleDetectionKind.Force,
    target: ts.ScriptTarget.ES2022,
    lib: ["lib.es2023.d.ts", "lib.dom.d.ts", "lib.dom.iterable.d.ts"],
    jsx: ts.JsxEmit.ReactJSX,
    types: [],
    strict: true,
    exactOptionalPropertyTypes: true,
    noUncheckedIndexedAccess: true,
    // Declarations of packages do not all compile so strictly; tarball.test.ts checks ours.
    skipLibCheck: true,
    noEmit: true,
  };
  const host = ts.createCompilerHost(options);
  const virtual = new Map(Object.entries(files).map(([name, code]) => [join(root, name), code]));
  host.fileExists = (path) => virtual.has(path) || ts.sys.fileExists(path);
  host.readFile = (path) => virtual.get(path) ?? ts.sys.readFile(path);
  host.getSourceFile = (path, target) => {
    const code = virtual.get(path) ?? ts.sys.readFile(path);
    return code === undefined ? undefined : ts.createSourceFile(path, code, target);
  };
  const program = ts.createProgram([...virtual.keys()], options, host);
  return ts.getPreEmitDiagnostics(program).map(({ file, start = 0, messageText }) => {
    const at = file === undefined ? "" : `${file.fileName}:${file.getLineAndCharacterOfPosition(start).line + 1} `;
    return at + ts.flattenDiagnosticMessageText(messageText, "\n");
  });
}

describe("the fragments of TypeScript compile against the built package", () => {
  const isCode = ({ language }: Block): boolean => language === "ts" || language === "tsx";
  const withCode = documents.filter((document) => fragments(document).some(isCode));
  const wrong = `import { CometSource } from "comet-sockets/client"; new CometSource("/").onmessage = ({ dat }) => dat;`;
  let problems: readonly string[] = [];

  beforeAll(() => {
    const files: Record<string, string> = {
      "application.d.ts": application,
      "wrong.ts": wrong,
    };
    for (const document of withCode) {
      for (const { language, line, code } of fragments(document).filter(isCode)) {
        files[`${document}-${line}.${language}`] = code;
      }
    }
    problems = diagnosed(files);
  });

  test.each(withCode)("%s", (document) => {
    expect(problems.filter((problem) => problem.includes(`/${document}-`))).toEqual([]);
  });

  test("and are reported if they do not", () => {
    const found = problems.filter((problem) => problem.includes("/wrong.ts"));
    expect(found).toEqual([expect.stringMatching(/wrong\.ts:1 Property 'dat' does not exist/)]);
  });
});

describe("the snippets of docs/client.md", () => {
  const all = fragments("docs/client.md");

  test("are all in languages that are checked", () => {
    expect(all.length).toBeGreaterThan(7);
    expect([...new Set(all.map(({ language }) => language))].sort()).toEqual(["html", "ts"]);
  });

  const pages = all.filter(({ language }) => language === "html");

  test.each(pages)("parse, and name only existing exports: html at line $line", ({ code: page }) => {
    const errors: string[] = [];
    const fragment = parseFragment(page, {
      onParseError: ({ code }) => void errors.push(code),
      sourceCodeLocationInfo: true,
    });
    expect(errors).toEqual([]);
    const scripts = fragment.childNodes.filter(
      (node): node is DefaultTreeAdapterTypes.Element => node.nodeName === "script",
    );
    expect(scripts.length).toBeGreaterThan(0);
    for (const script of scripts) {
      const attribute = (name: string): string | undefined => script.attrs.find((attr) => attr.name === name)?.value;
      const src = attribute("src");
      if (src !== undefined) {
        expect(existsSync(join(root, src.replace("/node_modules/comet-sockets/", ""))), src).toBe(true);
        continue;
      }
      const code = script.childNodes.map((node) => (defaultTreeAdapter.isTextNode(node) ? node.value : "")).join("");
      const isModule = attribute("type") === "module";
      const { diagnostics = [] } = ts.transpileModule(code, {
        compilerOptions: { allowJs: true, target: ts.ScriptTarget.ES2022, module: ts.ModuleKind.ESNext },
        fileName: "page.js",
        reportDiagnostics: true,
      });
      expect(diagnostics.map(({ messageText }) => messageText)).toEqual([]);
      const imported = [...code.matchAll(/import \{([^}]*)\} from "comet-sockets\/client"/g)].flatMap(
        ([, names = ""]) => names.split(",").map((name) => name.trim()),
      );
      const names = isModule ? imported : Array.from(code.matchAll(/\bComet\.(\w+)/g), ([, name = ""]) => name);
      expect(names.length).toBeGreaterThan(0);
      for (const name of names) expect(Object.keys(client)).toContain(name);
    }
  });
});

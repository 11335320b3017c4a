import { existsSync, globSync, readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { defaultTreeAdapter, parseFragment, type DefaultTreeAdapterTypes } from "parse5";
import ts from "typescript";
import { describe, expect, test } from "vitest";
import * as client from "../../src/client/index.ts";
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

test("docs/brokers.md has the contract as src/log/broker.ts has it", () => {
  const plain = (some: string): string => some.replace(/^ \* ?/gm, "").replace(/\s+/g, " ");
  const [, contract = ""] = /^ \* A broker\n \*\n(.*?)\n \*\/$/ms.exec(text("src/log/broker.ts")) ?? [];
  const duties = plain(contract)
    .split(/(?:^| )- (?=MUST)/)
    .slice(1);
  expect(duties.length).toBeGreaterThan(8);
  for (const duty of duties) expect(plain(text("docs/brokers.md"))).toContain(duty);
});

test("the decisions are numbered", () => {
  const files = globSync("*.md", { cwd: join(root, "docs/decisions") }).sort();
  for (const [i, file] of files.entries()) {
    expect(file.startsWith(String(i + 1).padStart(4, "0"))).toBe(true);
    expect(text(join("docs/decisions", file))).toMatch(new RegExp(`^# ${i + 1}\\. `));
  }
});

/** The code in a document, with its language and the line that it begins at. */
function snippets(path: string): { readonly language: string; readonly line: number; readonly code: string }[] {
  return Array.from(text(path).matchAll(/^```(\w*)\n(.*?)^```$/gms), (match) => ({
    language: match[1] ?? "",
    line: text(path).slice(0, match.index).split("\n").length + 1,
    code: match[2] ?? "",
  }));
}

/** What the snippets take from the application around them. */
const application = `
import type { CometSource } from "comet-sockets/client";
declare global {
  const source: CometSource;
  function store(type: string, data: unknown): Promise<void>;
  function token(): Promise<string>;
}`;

/** What they take from packages that are not installed here, as those declare it. */
const packages = `
declare module "vue" {
  export interface ShallowRef<T = any> { value: T }
  export function shallowRef<T = any>(): ShallowRef<T | undefined>;
  export function onScopeDispose(fn: () => void): void;
}
declare module "svelte/store" {
  export interface Readable<T> { subscribe(this: void, run: (value: T) => void): () => void }
  export function readable<T>(value?: T, start?: (set: (value: T) => void) => void | (() => void)): Readable<T>;
}`;

/** What the compiler says of files, each a module of an application that has the package installed, by their names. */
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
    // Those of packages, which do not all compile so strictly; tarball.test.ts checks ours.
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

test("the snippets of docs/brokers.md and docs/presence.md compile, as the package is built", () => {
  const files: Record<string, string> = { "application.d.ts": application };
  for (const name of ["brokers", "presence"]) {
    const code = snippets(`docs/${name}.md`).filter(({ language }) => language === "ts");
    expect(code.length).toBeGreaterThan(0);
    for (const { line, code: text } of code) files[`${name}.md-${line}.ts`] = text;
  }
  expect(diagnosed(files)).toEqual([]);
});

describe("the snippets of docs/client.md", () => {
  const all = snippets("docs/client.md");

  test("are all in languages that are checked", () => {
    expect(all.length).toBeGreaterThan(8);
    expect([...new Set(all.map(({ language }) => language))].sort()).toEqual(["html", "ts", "tsx"]);
  });

  test("compile, as the package is built", () => {
    const files: Record<string, string> = { "application.d.ts": application, "packages.d.ts": packages };
    for (const { language, line, code } of all) {
      if (language !== "html") files[`client.md-${line}.${language}`] = code;
    }
    expect(diagnosed(files)).toEqual([]);
    // What does not compile would be said.
    const wrong = `import { CometSource } from "comet-sockets/client"; new CometSource("/").onmessage = ({ dat }) => dat;`;
    expect(diagnosed({ "wrong.ts": wrong })).toEqual([
      expect.stringMatching(/wrong\.ts:1 Property 'dat' does not exist/),
    ]);
  });

  const pages = all.filter(({ language }) => language === "html");

  test.each(pages)("parse, and name only what there is: html at line $line", ({ code: page }) => {
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

/**
 * Writes the API report of each entry point to `api/`: what a user can import, as the declarations in `dist/` have it. `npm run api`
 * builds first. A change of the public face is then a change of a file under review, and test/package/api.test.ts fails until the
 * reports are up to date.
 */
import { mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import {
  CompilerState,
  Extractor,
  ExtractorConfig,
  ExtractorLogLevel,
  type IConfigFile,
} from "@microsoft/api-extractor";
import ts from "typescript";
import { entryPointsOf, type EntryPoint } from "./entry-points.ts";

export interface ApiReport {
  /** The name of the report's file in `api/`. */
  readonly file: string;
  readonly text: string;
  /** Names of types in the entry point's signatures that no entry point exports, in the order of the alphabet. */
  readonly forgotten: readonly string[];
}

/**
 * Makes the API report of each entry point of the package in `root`. A declaration that another entry point exports is imported from
 * there, so that a report has the surface of its own entry point alone.
 *
 * @throws {Error} if the declarations of an entry point are missing or cannot be read.
 */
export function apiReports(root: string): ApiReport[] {
  const folder = mkdtempSync(join(tmpdir(), "api-reports-"));
  try {
    const entries = entryPointsOf(root);
    const configs = entries.map((entry) => extractorConfig(root, entry, folder));
    const [first, ...others] = configs;
    if (first === undefined) throw new Error("package.json has no entry points.");
    const additionalEntryPoints = others.map(({ mainEntryPointFilePath }) => mainEntryPointFilePath);
    const compilerState = CompilerState.create(first, { additionalEntryPoints });
    const extracts = configs.map((config, i) => extract(entries[i] as EntryPoint, config, compilerState));
    return extracts.map((one) => apiReport(one, extracts));
  } finally {
    rmSync(folder, { recursive: true });
  }
}

/** API Extractor's result for one entry point. */
interface Extract {
  readonly entry: EntryPoint;
  /** The introduction of its report. */
  readonly heading: string;
  readonly statements: readonly Statement[];
  /** Names of types that a signature names and the entry point does not export. */
  readonly unexported: ReadonlySet<string>;
}

/** A statement of the TypeScript in a report. */
interface Statement {
  readonly node: ts.Statement;
  /** The name that it declares; undefined for an import. */
  readonly name: string | undefined;
  /** Whether a user can name it, by this name or another. */
  readonly isExported: boolean;
  readonly text: string;
}

const FENCE = /^(?<heading>.*)```ts\n(?<code>.*)```\n$/s;

function extract(entry: EntryPoint, config: ExtractorConfig, compilerState: CompilerState): Extract {
  const unexported = new Set<string>();
  const problems: string[] = [];
  const { succeeded } = Extractor.invoke(config, {
    localBuild: true,
    compilerState,
    messageCallback: (message) => {
      if (message.messageId === "ae-forgotten-export") unexported.add(/"(.+?)"/.exec(message.text)?.[1] ?? "");
      else if (message.logLevel === ExtractorLogLevel.Error) problems.push(message.text);
      message.handled = true;
    },
  });
  if (!succeeded || problems.length > 0)
    throw new Error(`${entry.specifier} has no API report: ${problems.join("\n")}`);
  const { heading = "", code = "" } =
    FENCE.exec(readFileSync(join(config.reportFolder, `${entry.name}.api.md`), "utf8"))?.groups ?? {};
  return { entry, heading, statements: statementsOf(code), unexported };
}

function statementsOf(code: string): Statement[] {
  const { statements } = ts.createSourceFile("report.ts", code, ts.ScriptTarget.Latest, true);
  const renamed = new Set(statements.flatMap(namesGivenAnew));
  return statements.map((node) => {
    const name = nameOf(node);
    return {
      node,
      name,
      isExported: hasExport(node) || (name !== undefined && renamed.has(name)),
      text: node.getFullText().trim(),
    };
  });
}

const hasExport = (node: ts.Statement): boolean =>
  ts.canHaveModifiers(node) && ts.getModifiers(node)?.some(({ kind }) => kind === ts.SyntaxKind.ExportKeyword) === true;

function nameOf(node: ts.Statement): string | undefined {
  const declaration = ts.isVariableStatement(node) ? node.declarationList.declarations[0] : node;
  return declaration && ts.getNameOfDeclaration(declaration as ts.Declaration)?.getText();
}

/** The declarations to which an export gives another name: `export { A as B }`, `export type B<E> = A<E>`, `export const B: typeof A`. */
function namesGivenAnew(node: ts.Statement): string[] {
  if (ts.isExportDeclaration(node) && node.exportClause !== undefined && ts.isNamedExports(node.exportClause))
    return node.exportClause.elements.map(({ name, propertyName }) => (propertyName ?? name).text);
  if (!hasExport(node)) return [];
  if (ts.isVariableStatement(node))
    return node.declarationList.declarations.flatMap(({ type }) =>
      type !== undefined && ts.isTypeQueryNode(type) ? [type.exprName.getText()] : [],
    );
  if (ts.isTypeAliasDeclaration(node) && ts.isTypeReferenceNode(node.type)) {
    const parameters = node.typeParameters?.map(({ name }) => name.text) ?? [];
    const given = node.type.typeArguments?.map((argument) => argument.getText()) ?? [];
    if (parameters.join() === given.join()) return [node.type.typeName.getText()];
  }
  return [];
}

/** Text without `export`, and without the number that API Extractor adds to a name that is used twice or is a global's. */
const plain = (text: string): string => text.replace(/_\d+\b/g, "").replace(/^export /m, "");

function apiReport({ entry, heading, statements, unexported }: Extract, all: readonly Extract[]): ApiReport {
  const others = all.filter((other) => other.entry !== entry);
  /** The other entry point that exports exactly what this statement declares. */
  const exporterOf = ({ name, isExported, text }: Statement): EntryPoint | undefined =>
    isExported || name === undefined
      ? undefined
      : others.find((other) => other.statements.some((own) => own.isExported && plain(own.text) === plain(text)))
          ?.entry;

  const own = statements.filter((statement) => exporterOf(statement) === undefined);
  const named = new Set(own.flatMap(({ node }) => identifiersIn(node)));
  const imports = new Map<string, Set<string>>();
  const nameable = new Set(statements.flatMap(({ name, isExported }) => (isExported && name ? [name] : [])));
  for (const statement of statements) {
    const { name = "" } = statement;
    const specifier = exporterOf(statement)?.specifier;
    if (specifier === undefined) continue;
    nameable.add(name);
    if (!named.has(name)) continue;
    const names = imports.get(specifier) ?? new Set();
    imports.set(specifier, names.add(plain(name) === name ? name : `${plain(name)} as ${name}`));
  }
  const lines = [
    ...[...imports].map(([specifier, names]) => `import { ${[...names].join(", ")} } from '${specifier}';`),
    ...own.flatMap(({ node, text }) => (ts.isImportDeclaration(node) ? [text] : [])),
  ];
  const declarations = own.flatMap(({ node, text }) => (ts.isImportDeclaration(node) ? [] : [text]));
  const parts = [...(lines.length > 0 ? [lines.join("\n")] : []), ...declarations];
  return {
    file: `${entry.name}.api.md`,
    text: `${heading}\`\`\`ts\n\n${parts.join("\n\n")}\n\n\`\`\`\n`,
    forgotten: [...unexported].filter((name) => !nameable.has(name)).sort(),
  };
}

function identifiersIn(node: ts.Node): string[] {
  if (ts.isIdentifier(node)) return [node.text];
  const names: string[] = [];
  ts.forEachChild(node, (child) => void names.push(...identifiersIn(child)));
  return names;
}

/** Settings with which a report depends on the declarations alone. */
function extractorConfig(root: string, { name, types }: EntryPoint, folder: string): ExtractorConfig {
  const silent = { default: { logLevel: ExtractorLogLevel.None } };
  const configObject: IConfigFile = {
    projectFolder: root,
    mainEntryPointFilePath: join(root, types),
    newlineKind: "lf",
    compiler: {
      overrideTsconfig: {
        compilerOptions: {
          target: "ES2022",
          module: "NodeNext",
          moduleResolution: "NodeNext",
          lib: ["ES2023", "DOM", "DOM.Iterable", "DOM.AsyncIterable"],
          types: ["node"],
          strict: true,
          exactOptionalPropertyTypes: true,
          skipLibCheck: true,
        },
        files: [types],
      },
    },
    apiReport: {
      enabled: true,
      reportFileName: name,
      reportFolder: folder,
      reportTempFolder: join(folder, "temp"),
      includeForgottenExports: true,
    },
    docModel: { enabled: false },
    dtsRollup: { enabled: false },
    tsdocMetadata: { enabled: false },
    messages: {
      // A report of declarations with a syntax error would lack a part of them.
      compilerMessageReporting: { default: { logLevel: ExtractorLogLevel.Error } },
      tsdocMessageReporting: silent,
      extractorMessageReporting: {
        ...silent,
        "ae-forgotten-export": { logLevel: ExtractorLogLevel.Warning, addToApiReportFile: false },
      },
    },
  };
  return ExtractorConfig.prepare({
    configObject,
    configObjectFullPath: undefined,
    packageJsonFullPath: join(root, "package.json"),
  });
}

if (import.meta.main) {
  const root = resolve(import.meta.dirname, "..");
  const folder = join(root, "api");
  const reports = apiReports(root);
  rmSync(folder, { recursive: true, force: true });
  mkdirSync(folder);
  for (const { file, text, forgotten } of reports) {
    writeFileSync(join(folder, file), text);
    if (forgotten.length > 0) console.log(`api/${file} names types that are not exported: ${forgotten.join(", ")}`);
  }
}

/**
 * Builds the site of the documentation in `docs-site/`: `npm run docs`. The guides and the reference of all entry points, with search, as
 * static files. It fails if a page of the site has a dead link.
 */
import { existsSync, globSync, readFileSync, rmSync, statSync } from "node:fs";
import { basename, join, posix, resolve, sep } from "node:path";
import { defaultTreeAdapter, parse, type DefaultTreeAdapterTypes } from "parse5";
import { Application, Converter, KindRouter, LogLevel, ReflectionKind, PageEvent, type Reflection } from "typedoc";

/** The guides in the order of reading. A guide that is not named here follows in the order of the alphabet. */
const readingOrder = [
  "getting-started",
  "subscribing",
  "publishing",
  "streams-that-end",
  "language-models",
  "ai",
  "durable-streams",
  "authorization",
  "client",
  "bindings",
  "client-modules",
  "where-it-runs",
  "slow-subscribers",
  "presence",
  "shutdown",
  "frameworks",
  "cors-and-csp",
  "testing",
  "runtimes",
  "deployment",
  "compression",
  "monitoring",
  "brokers",
  "comet",
  "streams",
  "migrating",
];

/** The group of a document in the navigation, by its file. The first pattern that matches counts. */
const groups: readonly (readonly [file: RegExp, group: string])[] = [
  [/^docs\/decisions\//, "Decisions"],
  [/^(?!docs\/)|^docs\/(?:options|guarantees|(?:browser-|broker-)?performance|architecture)\.md$/, "Reference"],
  [/^/, "Guides"],
];

/** The documents of the site besides the README, which is its first page: files of the repository. */
function documentsIn(root: string): string[] {
  const rank = (file: string): number => {
    const at = readingOrder.indexOf(basename(file, ".md"));
    return at === -1 ? readingOrder.length : at;
  };
  const guides = globSync("docs/*.md", { cwd: root }).sort((a, b) => rank(a) - rank(b) || a.localeCompare(b));
  return [
    ...guides,
    ...["PROTOCOL.md", "SECURITY.md", "CONTRIBUTING.md", "CHANGELOG.md"].filter((file) => existsSync(join(root, file))),
    ...globSync("docs/decisions/*.md", { cwd: root }).sort(),
  ].map((file) => file.replaceAll(sep, "/"));
}

/** The entry points that package.json exports: the specifier that a user imports, and the source that it is compiled from. */
function entryPointsIn(root: string): { readonly specifier: string; readonly source: string }[] {
  const { name, exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as {
    name: string;
    exports: Record<string, { types?: string }>;
  };
  return Object.entries(exports).flatMap(([subpath, { types }]) =>
    types === undefined
      ? []
      : [
          {
            specifier: posix.join(name, subpath),
            source: types.replace(/^\.\/dist\//, "src/").replace(/\.d\.ts$/, ".ts"),
          },
        ],
  );
}

/**
 * Builds the site of the package in `root`.
 *
 * @throws {Error} if the sources do not compile, or a document cannot be read.
 */
export async function buildSite(root: string, out: string): Promise<void> {
  const entryPoints = entryPointsIn(root);
  const app = await Application.bootstrap({
    name: "comet-sockets",
    entryPoints: entryPoints.map(({ source }) => join(root, source)),
    tsconfig: join(root, "tsconfig.build.json"),
    basePath: root,
    readme: join(root, "README.md"),
    projectDocuments: documentsIn(root).map((file) => join(root, file)),
    // The documents keep their order.
    sort: ["documents-first", "alphabetical-ignoring-documents"],
    groupOrder: ["Guides", "Reference", "Decisions", "Modules", "*"],
    navigation: { includeGroups: true },
    disableSources: true,
    excludeInternal: true,
    excludePrivate: true,
    githubPages: false,
    searchInComments: true,
    searchInDocuments: true,
    ignoredHighlightLanguages: ["abnf", "conf", "py"],
    validation: { notExported: false },
    logLevel: LogLevel.Error,
  });
  const specifiers = new Map(entryPoints.map(({ specifier, source }) => [join(root, source), specifier]));
  app.renderer.defineRouter("site", SiteRouter);
  app.options.setValue("router", "site");
  app.converter.on(Converter.EVENT_CREATE_DOCUMENT, (_, document) => {
    const file = posix.relative(root, document.project.files.getReflectionPath(document) ?? "");
    document.name = /^# (.*)$/m.exec(readFileSync(join(root, file), "utf8"))?.[1]?.replaceAll("`", "") ?? document.name;
    document.frontmatter["group"] = groups.find(([pattern]) => pattern.test(file))?.[1];
  });
  app.converter.on(Converter.EVENT_RESOLVE_BEGIN, ({ project }) => {
    for (const module of project.getReflectionsByKind(ReflectionKind.Module)) {
      module.name = specifiers.get(project.files.getReflectionPath(module) ?? "") ?? module.name;
    }
  });
  const project = await app.convert();
  if (project === undefined || app.logger.hasErrors()) throw new Error("TypeDoc cannot read the sources.");
  // A folder of the repository has no page: the text of a link to one stays.
  app.renderer.on(PageEvent.END, (page: PageEvent) => {
    const media = project.files.getNameToAbsoluteMap();
    const withoutFolders = (link: string, name: string, text: string): string =>
      isFolder(media.get(name) ?? "") ? text : link;
    page.contents &&= page.contents.replace(/<a href="(?:\.\.\/)*media\/([^"]+)">(.*?)<\/a>/g, withoutFolders);
  });
  rmSync(out, { recursive: true, force: true });
  await app.generateDocs(project, out);
}

/** Names the page of a document as its file: `documents/brokers.html`. */
class SiteRouter extends KindRouter {
  override getIdealBaseName(reflection: Reflection): string {
    const file = reflection.isDocument() ? reflection.project.files.getReflectionPath(reflection) : undefined;
    return file === undefined ? super.getIdealBaseName(reflection) : `documents/${basename(file, ".md")}`;
  }
}

/** A link of a page of a site that leads nowhere. */
export interface DeadLink {
  /** The page, relative to the site. */
  readonly page: string;
  readonly href: string;
}

/** The links and images of the pages in a folder that lead to a file of it which does not exist, or to a place that the page lacks. */
export function deadLinksIn(site: string): DeadLink[] {
  const pages = new Map(
    globSync("**/*.html", { cwd: site })
      .sort()
      .map((file) => [file.replaceAll(sep, "/"), readPage(join(site, file))]),
  );
  return [...pages].flatMap(([page, { links }]) =>
    links
      .filter((href) => {
        if (/^[a-z]+:/i.test(href)) return false;
        const [path = "", anchor = ""] = href.split("#").map(decodeURIComponent);
        const joined = path === "" ? page : posix.join(posix.dirname(page), path);
        const file = /(?:^|\/)\.?$/.test(joined) ? posix.join(joined, "index.html") : joined;
        const target = pages.get(file);
        if (target === undefined) return anchor !== "" || !isFile(join(site, file));
        return anchor !== "" && !target.places.has(anchor);
      })
      .map((href) => ({ page, href })),
  );
}

const isFolder = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isDirectory() === true;
const isFile = (path: string): boolean => statSync(path, { throwIfNoEntry: false })?.isFile() === true;

interface Page {
  /** The targets of its links and images. */
  readonly links: readonly string[];
  /** The ids of its elements. */
  readonly places: ReadonlySet<string>;
}

function readPage(path: string): Page {
  const links: string[] = [];
  const places = new Set<string>();
  const read = (node: DefaultTreeAdapterTypes.Node): void => {
    if (defaultTreeAdapter.isElementNode(node)) {
      for (const { name, value } of node.attrs) {
        if (name === "id") places.add(value);
        if ((name === "href" && node.tagName !== "use") || name === "src") links.push(value);
      }
    }
    if ("childNodes" in node) node.childNodes.forEach(read);
  };
  read(parse(readFileSync(path, "utf8")));
  return { links, places };
}

if (import.meta.main) {
  const root = resolve(import.meta.dirname, "..");
  const site = join(root, "docs-site");
  await buildSite(root, site);
  const dead = deadLinksIn(site);
  for (const { page, href } of dead) console.error(`docs-site/${page}: ${href} leads nowhere`);
  console.log(dead.length === 0 ? "docs-site/index.html" : `${dead.length} dead links`);
  process.exitCode = dead.length === 0 ? 0 : 1;
}

import { readFileSync } from "node:fs";
import { join } from "node:path";

/** One thing that a user of the package can import, as package.json names it. */
export interface EntryPoint {
  /** The specifier that a user imports: `comet-sockets/client`. */
  readonly specifier: string;
  /** Its name in this repository: `index` for the package itself, `client` for `comet-sockets/client`. */
  readonly name: string;
  /** Its declarations, relative to the package: `dist/client/index.d.ts`. */
  readonly types: string;
}

/** The part of a package.json that lists the package's exports. */
interface Manifest {
  readonly name: string;
  readonly exports?: { readonly [subpath: string]: unknown };
  readonly bin?: string | { readonly [command: string]: string };
}

const manifestOf = (root: string): Manifest => JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Manifest;

/**
 * Reads the entry points of the package in `root` from "exports" of its package.json. An export of a JSON file is not an entry point.
 *
 * @throws {Error} for an export without "types", or with a pattern: neither can be reported.
 */
export function entryPointsOf(root: string): EntryPoint[] {
  const { name: packageName, exports = {} } = manifestOf(root);
  return Object.entries(exports).flatMap(([subpath, target]) => {
    if (subpath.endsWith(".json")) return [];
    const { types } = Object(target) as { types?: unknown };
    if (typeof types !== "string" || subpath.includes("*"))
      throw new Error(`package.json: "exports" must give ${subpath} its own "types".`);
    const name = subpath === "." ? "index" : subpath.replace("./", "").replaceAll("/", "-");
    return [{ specifier: subpath.replace(".", packageName), name, types: types.replace("./", "") }];
  });
}

/** The files of `src/` that are compiled to what "exports" and "bin" of package.json name, relative to `src/`. */
export function entryFilesOf(root: string): string[] {
  const { bin = {} } = manifestOf(root);
  const programs = typeof bin === "string" ? [bin] : Object.values(bin);
  const files = [...entryPointsOf(root).map(({ types }) => types), ...programs].map((file) =>
    file
      .replace("./", "")
      .replace("dist/", "")
      .replace(/\.d\.ts$|\.js$/, ".ts"),
  );
  return [...new Set(files)];
}

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { pathToFileURL } from "node:url";
import { root } from "./run.ts";

interface Manifest {
  readonly exports: { readonly [subpath: string]: string | { readonly default: string } };
}

const { exports } = JSON.parse(readFileSync(join(root, "package.json"), "utf8")) as Manifest;

/** The source file of each entry of the package, by the name that it is imported by. */
const sources = Object.fromEntries(
  Object.entries(exports).flatMap(([subpath, target]) => {
    if (typeof target === "string") return [];
    const source = target.default.replace(/^\.\/dist\/(.*)\.js$/, "src/$1.ts");
    return [[`comet-sockets${subpath.slice(1)}`, pathToFileURL(join(root, source)).href]];
  }),
);

const hooks = `
import { registerHooks } from "node:module";
const sources = ${JSON.stringify(sources)};
registerHooks({ resolve: (name, context, next) => next(sources[name] ?? name, context) });`;

/** Arguments of Node with which a program that imports the package by its name runs on the sources: nothing needs to be built. */
export const onSources: readonly string[] = ["--import", `data:text/javascript,${encodeURIComponent(hooks)}`];

import { build as bundleBy, transform, type BuildOptions, type Loader, type Plugin } from "esbuild";
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import type * as svelteCompiler from "svelte/compiler";
import type * as vueCompiler from "vue/compiler-sfc";
import { installedPackages } from "../installed-packages.ts";
import { root } from "../run.ts";
import type { Followed, Rendered } from "./records.ts";

/** The oldest releases that package.json allows as peers, with the compilers that belong to them. */
const oldest = {
  react: "18.0.0",
  "react-dom": "18.0.0",
  vue: "3.4.0",
  svelte: "5.7.0",
  "solid-js": "1.6.0",
  "babel-preset-solid": "1.6.0",
};

/** The folder of the frameworks' oldest releases, which npm installs when they are first needed. */
export function oldestFrameworks(): Promise<string> {
  return installedPackages("oldest-frameworks", { dependencies: oldest });
}

type Side = "client" | "server";

/** The part of Babel, which has no types of its own, that is used here. */
interface Babel {
  readonly transformAsync: (code: string, options: object) => Promise<{ readonly code: string }>;
}

/** Compiles what esbuild cannot, by the compilers in a folder's packages, and resolves its frameworks there. */
function frameworks(folder: string, side: Side): Plugin {
  const require = createRequire(join(folder, "package.json"));
  const { transformAsync } = createRequire(import.meta.url)("@babel/core") as Babel;
  const isOurs = (path: string): boolean => path.startsWith(root) && !path.includes("node_modules");
  return {
    name: "frameworks",
    setup: (build) => {
      build.onResolve(
        { filter: /^(?:react|react-dom|vue|svelte|solid-js)(?:\/|$)/ },
        async ({ path, importer, kind }) => {
          if (side === "server") return { path, external: true };
          // The JSX of Solid imports from a file without a folder.
          return isOurs(importer)
            ? await build.resolve(path, { resolveDir: folder, kind, pluginName: "own" })
            : undefined;
        },
      );
      const text = (path: string): string => readFileSync(path, "utf8").replaceAll('"/live?', '"/events?');
      build.onLoad({ filter: /\.svelte$/ }, ({ path }) => {
        const { compile } = require("svelte/compiler") as typeof svelteCompiler;
        return { contents: compile(text(path), { generate: side, dev: true, filename: path }).js.code };
      });
      build.onLoad({ filter: /solid\S*\.tsx$/ }, async ({ path }) => {
        const { code } = await transform(text(path), { loader: "tsx", jsx: "preserve" });
        const solid = { generate: side === "client" ? "dom" : "ssr", hydratable: true };
        const compiled = await transformAsync(code, {
          filename: path,
          babelrc: false,
          configFile: false,
          presets: [[require("babel-preset-solid"), solid]],
        });
        return { contents: compiled.code };
      });
      build.onLoad({ filter: /\.vue$/ }, ({ path }) => {
        const { compileScript, parse } = require("vue/compiler-sfc") as typeof vueCompiler;
        const { content } = compileScript(parse(text(path), { filename: path }).descriptor, {
          id: "example",
          inlineTemplate: true,
        });
        return { contents: content, loader: "ts" };
      });
      build.onLoad({ filter: /examples\/bindings\/[\w-]+\.tsx?$/ }, ({ path }) => ({
        contents: text(path),
        loader: /\w+$/.exec(path)?.[0] as Loader,
      }));
    },
  };
}

const alias = Object.fromEntries(
  ["react", "vue", "svelte", "solid"].map((name) => [
    `comet-sockets/${name}`,
    join(root, `src/client/bindings/${name}.ts`),
  ]),
);

async function bundle(options: BuildOptions, folder: string, side: Side): Promise<string> {
  const { outputFiles } = await bundleBy({
    bundle: true,
    write: false,
    target: "es2022",
    logLevel: "silent",
    jsx: "automatic",
    alias,
    plugins: [frameworks(folder, side)],
    ...options,
  });
  return outputFiles?.[0]?.text ?? "";
}

/** Options of a page's script: the development build of a framework, which warns. */
const ofPage: BuildOptions = {
  format: "iife",
  conditions: ["development"],
  define: {
    "process.env.NODE_ENV": '"development"',
    __VUE_OPTIONS_API__: "false",
    __VUE_PROD_DEVTOOLS__: "false",
    __VUE_PROD_HYDRATION_MISMATCH_DETAILS__: "true",
  },
};

const entryOf = (framework: string, side: Side): string => {
  const path = join(import.meta.dirname, `${framework}-${side}.ts`);
  return existsSync(path) ? path : `${path}x`;
};

/** The script of the page of a framework. */
export const clientOf = (framework: string, folder: string): Promise<string> =>
  bundle({ ...ofPage, entryPoints: [entryOf(framework, "client")] }, folder, "client");

/** A script that runs code in the page. Relative imports are of the repository's root. */
export const scriptOf = (code: string, folder: string): Promise<string> =>
  bundle({ ...ofPage, stdin: { contents: code, loader: "ts", resolveDir: root } }, folder, "client");

export type Renderer = (followed: Followed) => Promise<Rendered> | Rendered;

/** A function that renders components on the server, by the framework's server build. */
export async function serverOf(framework: string, folder: string): Promise<Renderer> {
  const code = await bundle(
    { platform: "node", format: "esm", entryPoints: [entryOf(framework, "server")] },
    folder,
    "server",
  );
  // Beside the frameworks, so that Node finds them.
  const cache = resolve(folder, folder === root ? "node_modules/.cache/comet-sockets" : ".");
  mkdirSync(cache, { recursive: true });
  const own = mkdtempSync(join(cache, "server-"));
  const file = join(own, `${framework}.mjs`);
  writeFileSync(file, code);
  try {
    const { render } = (await import(pathToFileURL(file).href)) as { render: Renderer };
    return render;
  } finally {
    rmSync(own, { recursive: true });
  }
}

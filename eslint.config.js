import { defineConfig } from "eslint/config";
import tseslint from "typescript-eslint";

/**
 * What each folder of `src/` may import, besides itself. The arrow goes one way: docs/architecture.md.
 * @type {Record<string, readonly string[]>}
 */
const layers = {
  core: [],
  stream: ["core"],
  wire: ["core"],
  html: ["core", "wire"],
  log: ["core", "wire"],
  http: ["core", "stream", "wire", "html"],
  hub: ["core", "stream", "wire", "html", "log", "http"],
  adapters: ["core", "stream", "wire", "html", "log", "http", "hub", "brokers"],
  brokers: ["core", "log"],
  surfaces: ["core", "stream", "wire", "html", "log", "http", "hub", "brokers"],
  client: ["core", "wire"],
};

/** The folders that may use Node's own modules and globals. */
const nodeFolders = new Set(["adapters", "brokers"]);

const nodeGlobals = ["process", "Buffer", "setImmediate", "clearImmediate", "global", "require", "__dirname"];
const pageGlobals = ["window", "document", "self", "postMessage", "importScripts", "name", "location"];

const layerRules = Object.entries(layers).map(([folder, allowed]) => {
  const closed = Object.keys(layers).filter((other) => other !== folder && !allowed.includes(other));
  const portable = !nodeFolders.has(folder);
  const forbiddenGlobals = folder === "client" ? nodeGlobals : [...nodeGlobals, ...pageGlobals];
  return {
    files: [`src/${folder}/**/*.ts`],
    rules: {
      "no-restricted-imports": [
        "error",
        {
          patterns: [
            ...(closed.length > 0
              ? [{ regex: `^(\\.\\./)+(${closed.join("|")})/`, message: `src/${folder}/ may not import this layer.` }]
              : []),
            { regex: "^(\\.\\./)+index\\.ts$", message: "No layer imports the package's entry." },
            ...(portable ? [{ regex: "^node:", message: `src/${folder}/ runs everywhere: no Node modules.` }] : []),
          ],
        },
      ],
      ...(portable ? { "no-restricted-globals": ["error", ...forbiddenGlobals] } : {}),
    },
  };
});

/** The only files that take a module of Node at run time, where there is one. */
const moduleFiles = ["src/hub/packing/zlib.ts", "src/adapters/node/uring/node-libc.ts"];

export default defineConfig(
  {
    ignores: [
      "eslint.config.js",
      ".dependency-cruiser.js",
      // A package of its own: bench/eslint.config.js.
      "bench/",
      "dist/",
      "docs-site/",
      "coverage/",
      "demo/pages/",
      // Projects of their own, with their own packages: test/frameworks runs them.
      "examples/frameworks/",
      "examples/job/pages/",
      // The types of other runtimes: test/package/runtime-types.test.ts compiles them.
      "examples/runtimes/",
      // Plain JavaScript, to be pasted: tests run it.
      "examples/**/*.{js,mjs}",
      "test/package/consumers/",
      "test-results/",
    ],
  },
  tseslint.configs.strictTypeChecked,
  {
    languageOptions: { parserOptions: { projectService: true, tsconfigRootDir: import.meta.dirname } },
    linterOptions: { reportUnusedDisableDirectives: "error" },
    rules: {
      "no-console": "error",
      eqeqeq: "error",
      "@typescript-eslint/no-floating-promises": [
        "error",
        { allowForKnownSafeCalls: [{ from: "package", name: "test", package: "node:test" }] },
      ],
      "@typescript-eslint/consistent-type-imports": "error",
      "@typescript-eslint/consistent-type-definitions": "off",
      "@typescript-eslint/no-unused-vars": ["error", { varsIgnorePattern: "^_", argsIgnorePattern: "^_" }],
      "@typescript-eslint/restrict-template-expressions": ["error", { allowNumber: true }],
      // Node's servers and Express take a handler that gives a promise; `nodeHandler` never rejects.
      "@typescript-eslint/no-misused-promises": ["error", { checksVoidReturn: { arguments: false } }],
      "@typescript-eslint/no-confusing-void-expression": ["error", { ignoreArrowShorthand: true }],
      // A source of nothing but promises, and an error of any type passed on as it came, are what streams are made of.
      "@typescript-eslint/only-throw-error": "off",
      "@typescript-eslint/prefer-promise-reject-errors": "off",
    },
  },
  { files: ["demo/**", "scripts/**", "examples/**", "test/**"], rules: { "no-console": "off" } },
  ...layerRules,
  {
    files: ["src/**/*.ts"],
    ignores: moduleFiles,
    rules: {
      "no-restricted-properties": [
        "error",
        { property: "getBuiltinModule", message: `Only these take a module at run time: ${moduleFiles.join(", ")}.` },
      ],
    },
  },
);

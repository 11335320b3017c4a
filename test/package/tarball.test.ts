import { copyFileSync, mkdirSync, mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { checkPackage, createPackageFromTarballData } from "@arethetypeswrong/core";
import { publint } from "publint";
import { formatMessage } from "publint/utils";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { installedNode, nodeVersions, root, run } from "../support/run.ts";

const consumers = join(root, "test/package/consumers");
let folder: string;
let tarball: string;
let files: readonly { readonly path: string }[];

/** Packs the package as it would be published, and installs it in a project of its own. */
beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "comet-sockets-package-"));
  const output = await run("npm", ["pack", "--json", "--ignore-scripts", "--pack-destination", folder]);
  const packed: unknown = JSON.parse(output);
  const [entry] = (Array.isArray(packed) ? packed : Object.values(packed as object)) as {
    filename: string;
    files: { path: string }[];
  }[];
  if (entry === undefined) throw new Error(`npm pack printed ${output}`);
  files = entry.files;
  tarball = join(folder, entry.filename);
  writeFileSync(join(folder, "package.json"), JSON.stringify({ name: "consumer", private: true, type: "module" }));
  await run("npm", ["install", "--no-audit", "--no-fund", "--offline", tarball], folder);
  for (const name of ["runtime.mjs", "types.ts"]) copyFileSync(join(consumers, name), join(folder, name));
});

afterAll(() => rmSync(folder, { recursive: true, force: true }));

describe("the tarball", () => {
  test("holds what is published, and nothing else", () => {
    const others = files.map(({ path }) => path).filter((path) => !/^(dist|src)\//.test(path));
    expect(others.sort()).toEqual(["CHANGELOG.md", "LICENSE", "PROTOCOL.md", "README.md", "package.json"]);
    for (const entry of [
      "dist/index.js",
      "dist/index.d.ts",
      "dist/index.js.map",
      "dist/stream/index.js",
      "dist/hub/index.js",
      "dist/client/index.js",
      "dist/client/react.js",
      "dist/client.global.js",
      "dist/client.global.js.map",
      "dist/adapters/node/index.js",
    ]) {
      expect(files.map(({ path }) => path)).toContain(entry);
    }
  });

  test("is small, and brings no dependencies", () => {
    expect(statSync(tarball).size).toBeLessThan(360 * 1024);
    const manifest = JSON.parse(
      readFileSync(join(folder, "node_modules/comet-sockets/package.json"), "utf8"),
    ) as object;
    expect(manifest).not.toHaveProperty("dependencies");
  });

  test("passes publint", async () => {
    const { messages, pkg } = await publint({
      pkgDir: join(folder, "node_modules/comet-sockets"),
      pack: false,
      strict: true,
    });
    expect(messages.map((message) => formatMessage(message, pkg))).toEqual([]);
  });

  test("has types that every resolution finds", async () => {
    const result = await checkPackage(createPackageFromTarballData(readFileSync(tarball)));
    // Node 10 knows no exports, and a package of ES modules alone cannot be required by types of CommonJS.
    const expected = ["NoResolution", "CJSResolvesToESM"];
    const problems = "problems" in result ? result.problems : [{ kind: "no types" }];
    expect(problems.filter(({ kind }) => !expected.includes(kind))).toEqual([]);
    expect(
      problems.filter(
        (problem) =>
          problem.kind === "NoResolution" && "resolutionKind" in problem && problem.resolutionKind !== "node10",
      ),
    ).toEqual([]);
  });
});

describe("a consumer's types", () => {
  test.each([
    ["NodeNext", "NodeNext"],
    ["ESNext", "Bundler"],
  ])("compile with module %s, moduleResolution %s, and the declarations checked", async (module, moduleResolution) => {
    const config = {
      compilerOptions: {
        module,
        moduleResolution,
        target: "ES2022",
        lib: ["ES2023", "DOM"],
        types: ["node"],
        typeRoots: [join(root, "node_modules/@types")],
        strict: true,
        exactOptionalPropertyTypes: true,
        skipLibCheck: false,
        noEmit: true,
      },
      files: ["types.ts"],
    };
    const path = join(folder, `tsconfig.${module}.json`);
    writeFileSync(path, JSON.stringify(config));
    await run(process.execPath, [join(root, "node_modules/typescript/bin/tsc"), "-p", path], folder);
  });
});

describe("at run time", () => {
  test.each(nodeVersions)("works on Node %s", async (version) => {
    const node = await installedNode(version);
    expect(await run(node, ["--version"])).toBe(`v${version}\n`);
    mkdirSync(folder, { recursive: true });
    const report = await run(node, ["--test", "--test-reporter=tap", "runtime.mjs"], folder);
    expect(report).toMatch(/^# fail 0$/m);
    expect(report).toMatch(/^# pass 11$/m);
  });
});

/** Runs tests of an application with Jest, as docs/frameworks.md says. */
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { installedNode, nodeVersions } from "../support/installed-node.ts";
import { run } from "../support/run.ts";
import { commandOf, makeProjectOf, packTarball } from "./project.ts";

const FLAG = "--experimental-vm-modules";
const body = `
  const hub = new Hub();
  await hub.topic("a").publish("kiki");
  expect(hub.stats().published).toBe(1);
  await hub.close({ drainMs: 0 });`;
const files = {
  "imported.test.mjs": `import { Hub } from "comet-sockets";\nimport "comet-sockets/node";\ntest("a", async () => {${body}\n});`,
  "required.test.cjs": `const { Hub } = require("comet-sockets");\nrequire("comet-sockets/node");\ntest("a", async () => {${body}\n});`,
};

let folder: string;
let project: string;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), "comet-sockets-jest-tarball-"));
  const manifest = JSON.stringify({ private: true, dependencies: { jest: "^30.5.2" } });
  project = await makeProjectOf("jest", manifest, await packTarball(folder));
  const config = { testMatch: ["**/*.test.?js"], moduleFileExtensions: ["js", "cjs", "mjs", "json"] };
  writeFileSync(join(project, "package.json"), JSON.stringify({ private: true, jest: config }));
  for (const [name, text] of Object.entries(files)) writeFileSync(join(project, name), text);
});

afterAll(() => {
  for (const one of [folder, project]) rmSync(one, { recursive: true, force: true });
});

describe.each(nodeVersions)("Jest on Node %s", (version) => {
  const jest = async (file: keyof typeof files, flags: readonly string[]): Promise<string> => {
    const args = [...commandOf(project, ["jest"]), "--no-cache", "--no-watchman", file];
    return run(await installedNode(version), [...flags, ...args], project);
  };

  test("runs a test that imports the package, with its flag alone", async () => {
    await jest("imported.test.mjs", [FLAG]);
    await expect(jest("imported.test.mjs", [])).rejects.toThrow(/Must use import|ES [Mm]odule/);
  });

  test("runs a test that requires the package, with the flag, from Node 24 on", async () => {
    const required = jest("required.test.cjs", [FLAG]);
    if (Number(version.split(".")[0]) >= 24) await required;
    else await expect(required).rejects.toThrow(/Must use import|ES [Mm]odule/);
  });
});

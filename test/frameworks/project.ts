/** Throw-away projects: the files of an example, its packages, and the packed tarball of this package. */
import { cpSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, realpathSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { installedPackages, type Manifest } from "../support/installed-packages.ts";
import { run } from "../support/run.ts";
import type { Framework } from "./framework.ts";

/** Packs the package as it would be published. Needs a build. @returns The tarball, in a folder that the caller removes. */
export async function packTarball(folder: string): Promise<string> {
  await run("npm", ["pack", "--silent", "--ignore-scripts", "--pack-destination", folder]);
  const [tarball] = readdirSync(folder).filter((name) => name.endsWith(".tgz"));
  if (tarball === undefined) throw new Error("npm pack has made no tarball.");
  return join(folder, tarball);
}

/**
 * Makes a project of an example in a temporary folder.
 *
 * Its packages are installed once, and then linked from a cache, until the example's package.json changes.
 */
export async function makeProject({ name, folder }: Framework, tarball: string): Promise<string> {
  const project = await makeProjectOf(name, readFileSync(join(folder, "package.json"), "utf8"), tarball);
  cpSync(folder, project, { recursive: true });
  return project;
}

/** Makes a project with nothing but the packages of a manifest, and the tarball. */
export async function makeProjectOf(name: string, manifest: string, tarball: string): Promise<string> {
  const packages = await packagesOf(name, manifest);
  const project = mkdtempSync(join(tmpdir(), `comet-sockets-${name}-`));
  const ours = join(project, "node_modules/comet-sockets");
  // Hard links: a copy of the packages of some frameworks takes longer than the tests. Bundlers write only new files.
  await run("cp", ["-al", packages, join(project, "node_modules")]).catch(async () => {
    rmSync(join(project, "node_modules"), { recursive: true, force: true });
    await run("cp", ["-a", packages, join(project, "node_modules")]);
  });
  mkdirSync(ours);
  await run("tar", ["-xzf", tarball, "-C", ours, "--strip-components=1"]);
  return project;
}

/** Returns a `node_modules` with the packages of a manifest, without this package. */
async function packagesOf(name: string, text: string): Promise<string> {
  const manifest = JSON.parse(text) as Manifest;
  const { "comet-sockets": _, ...dependencies } = manifest.dependencies;
  return join(await installedPackages(`framework-${name}`, { ...manifest, dependencies }), "node_modules");
}

/** Returns a command of a project as Node runs it, so that it gets signals itself. */
export function commandOf(project: string, [program = "", ...args]: readonly string[]): string[] {
  return program === "node" ? args : [realpathSync(join(project, "node_modules/.bin", program)), ...args];
}

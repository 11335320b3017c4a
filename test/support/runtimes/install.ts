import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { root, run } from "../run.ts";

/** The releases of the other runtimes that the package is tested with, as npm has them. */
export const releases = { bun: "1.4.5", deno: "2.9.6", workerd: "1.20261117.1" } as const;

/** The programs within the packages. */
const programs = { bun: "bin/bun.exe", deno: "deno", workerd: "bin/workerd" } as const;

/** The releases of the packages of types. */
const types = { "@types/bun": "1.4.5", "@cloudflare/workers-types": "5.20261117.1" } as const;

/** A runtime of npm, installed when it is first needed. Resolves to its program. */
export async function installedRuntime(name: keyof typeof releases): Promise<string> {
  return join(await installed(name, releases[name]), name, programs[name]);
}

/** The folder of packages in which a package of types is installed, when it is first needed. */
export async function installedTypes(name: keyof typeof types): Promise<string> {
  return installed(name, types[name]);
}

/** Installs a package in a folder of its own, as `installedNode` does. Resolves to its `node_modules`. */
async function installed(name: string, version: string): Promise<string> {
  const folder = join(root, "node_modules/.cache/comet-sockets", `${name.replace("/", "-")}-${version}`);
  const packages = join(folder, "node_modules");
  if (existsSync(join(packages, ".package-lock.json"))) return packages;
  mkdirSync(folder, { recursive: true });
  const manifest = { private: true, dependencies: { [name]: version }, allowScripts: { [name]: true } };
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
  await run("npm", ["install", "--no-audit", "--no-fund", "--no-package-lock"], folder);
  return packages;
}

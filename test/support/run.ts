import { execFile } from "node:child_process";
import { existsSync, mkdirSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { promisify } from "node:util";

export const root: string = resolve(import.meta.dirname, "../..");

/** Runs a program to its end, and answers what it printed. @throws with all that it printed, if it fails. */
export async function run(program: string, args: readonly string[], cwd: string = root): Promise<string> {
  try {
    const { stdout } = await promisify(execFile)(program, args, { cwd, maxBuffer: 64 * 1024 * 1024 });
    return stdout;
  } catch (error) {
    const { stdout = "", stderr = "" } = error as { stdout?: string; stderr?: string };
    throw new Error(`${program} ${args.join(" ")} failed:\n${stdout}\n${stderr}`, { cause: error });
  }
}

/** The Nodes that the package supports, each in the release it is tested with. */
export const nodeVersions = ["20.20.2", "22.23.3", "24.21.0", "26.10.0"] as const;

/** A Node of this version, installed through npm when it is first needed. */
export async function installedNode(version: string): Promise<string> {
  const folder = join(root, "node_modules/.cache/comet-sockets", `node-${version}`);
  const node = join(folder, "node_modules/node/bin/node");
  if (existsSync(node)) return node;
  mkdirSync(folder, { recursive: true });
  const manifest = { private: true, dependencies: { node: version }, allowScripts: { node: true } };
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
  await run("npm", ["install", "--no-audit", "--no-fund", "--no-package-lock"], folder);
  return node;
}

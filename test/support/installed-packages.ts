import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { root, run } from "./run.ts";

/** A part of package.json. */
export interface Manifest {
  readonly dependencies: Readonly<Record<string, string>>;
  /** The packages whose install scripts may run. */
  readonly allowScripts?: Readonly<Record<string, boolean>>;
}

const installs = new Map<string, Promise<string>>();

/**
 * Installs packages of npm in a folder of their own under `node_modules/.cache`, when they are first needed. Several
 * processes may ask for the same ones at the same time.
 *
 * @returns Resolves to the folder, which has a package.json and `node_modules`.
 */
export function installedPackages(name: string, manifest: Manifest): Promise<string> {
  const text = JSON.stringify({ private: true, ...manifest });
  const hash = createHash("sha256").update(text).digest("hex").slice(0, 12);
  const folder = join(root, "node_modules/.cache/comet-sockets", `${name}-${hash}`);
  const install = installs.get(folder) ?? installIn(folder, text);
  installs.set(folder, install);
  return install;
}

async function installIn(folder: string, manifest: string): Promise<string> {
  if (existsSync(folder)) return folder;
  mkdirSync(dirname(folder), { recursive: true });
  // The folder has its name only once it is complete.
  const own = mkdtempSync(`${folder}.`);
  writeFileSync(join(own, "package.json"), manifest);
  mkdirSync(join(own, "node_modules"));
  try {
    await run("npm", ["install", "--no-audit", "--no-fund", "--no-package-lock", "--prefer-offline"], own);
    renameSync(own, folder);
  } catch (error) {
    rmSync(own, { recursive: true });
    // Another process was faster.
    if (!existsSync(folder)) throw error;
  }
  return folder;
}

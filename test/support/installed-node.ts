import { join } from "node:path";
import { installedPackages } from "./installed-packages.ts";

/** The Nodes that the package supports, each in the release it is tested with. */
export const nodeVersions = ["20.20.2", "22.23.3", "24.21.0", "26.10.0"] as const;

/** A Node of this version, installed through npm when it is first needed. */
export async function installedNode(version: string): Promise<string> {
  const manifest = { dependencies: { node: version }, allowScripts: { node: true } };
  return join(await installedPackages(`node-${version}`, manifest), "node_modules/node/bin/node");
}

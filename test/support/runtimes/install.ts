import { join } from "node:path";
import { installedPackages } from "../installed-packages.ts";

/** The releases of the other runtimes that the package is tested with, as npm has them. */
export const releases = { bun: "1.4.5", deno: "2.9.6", workerd: "1.20261117.1" } as const;

/** The programs within the packages. */
const programs = { bun: "bin/bun.exe", deno: "deno", workerd: "bin/workerd" } as const;

/** The releases of the packages of types. */
const types = { "@types/bun": "1.4.5", "@cloudflare/workers-types": "5.20261117.1" } as const;

/** A runtime of npm, installed when it is first needed. Resolves to its program. */
export async function installedRuntime(name: keyof typeof releases): Promise<string> {
  const manifest = { dependencies: { [name]: releases[name] }, allowScripts: { [name]: true } };
  return join(await installedPackages(`${name}-${releases[name]}`, manifest), "node_modules", name, programs[name]);
}

/** The folder of packages in which a package of types is installed, when it is first needed. */
export async function installedTypes(name: keyof typeof types): Promise<string> {
  const folder = await installedPackages(`${name.replace("/", "-")}-${types[name]}`, {
    dependencies: { [name]: types[name] },
  });
  return join(folder, "node_modules");
}

import { once } from "node:events";
import type { Server } from "node:http";
import type { AddressInfo } from "node:net";
import { join } from "node:path";
import { onTestFinished, vi } from "vitest";
import { root } from "./run.ts";

export const guidesFolder: string = join(root, "examples/guides");

/** An example of the guides that serves, and what its file exports. */
export interface Guide {
  readonly server: Server;
  readonly port: number;
  readonly origin: string;
  readonly exports: Readonly<Record<string, unknown>>;
}

/**
 * Runs an example of the guides as it stands, on the sources, in this process, until the test is over.
 *
 * @param name The file's name without its ending.
 * @param env More of its environment.
 */
export async function serveGuide(name: string, env: Readonly<Record<string, string>> = {}): Promise<Guide> {
  for (const [key, value] of Object.entries({ PORT: "0", ...env })) vi.stubEnv(key, value);
  vi.resetModules();
  const exports = (await import(join(guidesFolder, `${name}.ts`))) as {
    readonly server: Server;
    readonly [name: string]: unknown;
  };
  onTestFinished(() => void vi.unstubAllEnvs());
  return { ...(await listening(exports.server)), exports };
}

/** Waits until a server listens, and closes it when the test is over. */
export async function listening(server: Server): Promise<Omit<Guide, "exports">> {
  onTestFinished(() => {
    server.close();
    server.closeAllConnections();
  });
  if (!server.listening) await once(server, "listening");
  const { port } = server.address() as AddressInfo;
  return { server, port, origin: `http://127.0.0.1:${port}` };
}

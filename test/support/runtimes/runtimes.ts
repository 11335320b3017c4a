/** The runtimes that the contract runs on, each with the way in which a hub is served there, and with what it cannot do. */
import { mkdirSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { installedNode, nodeVersions } from "../installed-node.ts";
import { installedRuntime, releases } from "./install.ts";

/** What a runtime cannot do, whatever the package does. Each limit is a sentence of docs/runtimes.md, and has a case. */
export interface Limits {
  /** The server learns of a client that has closed its side (FIN) only when it next writes to it. */
  readonly noticesFinLate?: boolean;
  /** A Worker has no process that it can end. */
  readonly hasNoExit?: boolean;
  /** The hub's topics are in storage. */
  readonly hasStorage?: boolean;
  /** What the runtime prints by itself. */
  readonly logs?: RegExp;
  /** What the server prints for each response that the hub breaks off. */
  readonly logsBreakOffs?: RegExp;
}

/** One row of the contract. */
export interface Runtime {
  /** Its name in docs/runtimes.md: `Bun, hub.fetch`. */
  readonly name: string;
  /** The source of its server's program, in this folder. */
  readonly program: string;
  /** Returns the command that runs the bundled program. */
  readonly command: (bundle: string) => Promise<readonly [program: string, ...args: string[]]>;
  /** The time in seconds after which the server closes a quiet connection by default; undefined if it never does. */
  readonly idleTimeoutSeconds?: number;
  readonly limits: Limits;
}

/** Deno warns once of every listener to a request's signal, the only sign of a client that leaves a waiting poll. */
const denoWarning = /^Deno\.serve: request\.signal aborts on successful responses.*\n?/m;

/** Bun warns of the connection without a hub that it closes while the case of quiet streams runs. */
const bunWarning = /^warn: Bun\.serve\(\) timed out a request.*\n?/m;

/** The error of a body that the hub breaks off, as Deno and Hono's server on Node print it, with its stack. */
const brokenBody = /^(?:DOMException \[)?AbortError\]?: The stream was broken off\..*\n(?: +at .*\n)*/gm;

const node = (version: string, served: string, program: string): Runtime => ({
  name: `Node ${version.split(".")[0] ?? ""}, ${served}`,
  program,
  command: async (bundle) => [await installedNode(version), "--expose-gc", bundle],
  limits: program === "program-hono.ts" ? { logsBreakOffs: brokenBody } : {},
});

const bun = (served: string, program: string, ...args: string[]): Runtime => ({
  name: `Bun ${releases.bun}, ${served}`,
  program,
  command: async (bundle) => [await installedRuntime("bun"), bundle, ...args],
  ...(program === "program-bun.ts" ? { idleTimeoutSeconds: 10 } : {}),
  limits: { logs: bunWarning },
});

const deno = (served: string, ...args: string[]): Runtime => ({
  name: `Deno ${releases.deno}, ${served}`,
  program: "program-deno.ts",
  command: async (bundle) => [await installedRuntime("deno"), "run", "-A", "--v8-flags=--expose-gc", bundle, ...args],
  limits: { logs: denoWarning, logsBreakOffs: brokenBody },
});

/** A Worker, and a namespace of Durable Objects whose storage is in the folder of the bundle. */
const workerConfig = (folder: string): string => `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .worker),
    (name = "storage", disk = (path = ${JSON.stringify(join(folder, "storage"))}, writable = true)),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
  v8Flags = ["--expose-gc"],
);
const worker :Workerd.Worker = (
  modules = [(name = "program", esModule = embed "program.mjs")],
  compatibilityDate = "2026-11-01",
  compatibilityFlags = ["enable_request_signal", "request_signal_passthrough"],
  durableObjectNamespaces = [(className = "Live", uniqueKey = "live", enableSql = true)],
  durableObjectStorage = (localDisk = "storage"),
  bindings = [(name = "LIVE", durableObjectNamespace = "Live")],
);
`;

export const workers: Runtime = {
  name: `workerd ${releases.workerd}, cometObject`,
  program: "program-workers.ts",
  command: async (bundle) => {
    const folder = dirname(bundle);
    mkdirSync(join(folder, "storage"), { recursive: true });
    writeFileSync(join(folder, "config.capnp"), workerConfig(folder));
    return [await installedRuntime("workerd"), "serve", join(folder, "config.capnp"), "--control-fd=3"];
  },
  limits: {
    noticesFinLate: true,
    hasNoExit: true,
    hasStorage: true,
    logs: /^workerd\/api\/per-isolate-bootstrap\.c\+\+.*\n?/m,
    logsBreakOffs: /^.*\(AbortError\): The stream was broken off\..*\n/gm,
  },
};

export const nodeHandlers: readonly Runtime[] = nodeVersions.map((v) => node(v, "nodeHandler", "program-node.ts"));
export const honoServers: readonly Runtime[] = nodeVersions.map((v) => node(v, "hub.fetch", "program-hono.ts"));
export const bunAdapter: Runtime = bun("bunHandler", "program-bun.ts");
export const bunFetch: Runtime = bun("hub.fetch", "program-bun.ts", "fetch");
export const bunNode: Runtime = bun("nodeHandler", "program-node.ts");
export const denoAdapter: Runtime = deno("denoHandler");
export const denoFetch: Runtime = deno("hub.fetch", "fetch");

/** All rows, in the order of the table. */
export const runtimes: readonly Runtime[] = [
  ...nodeHandlers,
  ...honoServers,
  bunAdapter,
  bunFetch,
  bunNode,
  denoAdapter,
  denoFetch,
  workers,
];

/** The rows of one release of a runtime: `Node 20`. */
export function runtimesOf(release: string, ...lists: readonly (readonly Runtime[])[]): readonly Runtime[] {
  return lists.flat().filter(({ name }) => name.startsWith(`${release},`));
}

/** The folder of the programs. */
export const programFolder: string = import.meta.dirname;

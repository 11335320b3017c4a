import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect as openSocket } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { connect } from "@nats-io/transport-node";
import { freePort } from "./free-port.ts";
import { ensureSystemPackages, systemPath } from "./system-packages.ts";

export interface NatsServerOptions {
  /** `false` for a server without JetStream. @default true */
  readonly jetStream?: boolean;
  /** Further lines of the configuration file, such as `authorization { ... }`. */
  readonly configuration?: string;
}

/** A `nats-server` on a free port of 127.0.0.1, with a folder of its own. The caller of `startNats` closes it. */
export interface NatsServer {
  readonly port: number;
  /** The folder of JetStream's files. */
  readonly store: string;
  /** Starts it again, on the same port and with the same files. */
  start(): Promise<void>;
  /** Shuts the process down gracefully. */
  stop(): Promise<void>;
  /** Kills the process. */
  kill(): Promise<void>;
  /** Kills the process, and removes its folder. */
  close(): Promise<void>;
}

/** The longest time for a cluster to agree, in milliseconds. */
const CLUSTER_MS = 60_000;
const running = new Set<ChildProcess>();
const folders = new Set<string>();

// A test run that fails may not have closed its servers.
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** Starts a server. Resolves when it takes connections. */
export async function startNats({ jetStream = true, configuration = "" }: NatsServerOptions = {}): Promise<NatsServer> {
  await ensureSystemPackages(["nats-server"]);
  const folder = mkdtempSync(join(tmpdir(), "comet-nats-"));
  const port = await freePort();
  const file = join(folder, "nats.conf");
  const store = jetStream ? `jetstream { store_dir: "${join(folder, "store")}" }` : "";
  writeFileSync(file, `listen: "127.0.0.1:${port}"\n${store}\n${configuration}\n`);
  folders.add(folder);
  let server: ChildProcess | undefined;

  const start = async (): Promise<void> => {
    const child = spawn(systemPath("nats-server"), ["-c", file], { stdio: ["ignore", "ignore", "pipe"] });
    server = child;
    running.add(child);
    child.once("exit", () => running.delete(child));
    let output = "";
    child.stderr.on("data", (data: Buffer) => (output = (output + data.toString()).slice(-10_000)));
    await ready(child, port, () => output);
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const child = server;
    server = undefined;
    if (child === undefined || child.exitCode !== null || child.signalCode !== null) return;
    const gone = once(child, "exit");
    child.kill(signal);
    await gone;
  };
  const close = async (): Promise<void> => {
    await end("SIGKILL");
    rmSync(folder, { recursive: true, force: true });
    folders.delete(folder);
  };
  try {
    await start();
  } catch (error) {
    await close();
    throw error;
  }
  return {
    port,
    store: join(folder, "store"),
    start,
    stop: () => end("SIGTERM"),
    kill: () => end("SIGKILL"),
    close,
  };
}

/** A cluster of servers with JetStream. */
export interface NatsCluster {
  readonly servers: readonly NatsServer[];
  /** Their addresses. */
  readonly addresses: readonly string[];
  /** The server that leads a stream. */
  leaderOf(stream: string): Promise<NatsServer>;
  close(): Promise<void>;
}

/** Starts three servers. Resolves when JetStream has a leader. */
export async function startNatsCluster(): Promise<NatsCluster> {
  const routePorts = await Promise.all(Array.from({ length: 3 }, freePort));
  const routes = routePorts.map((port) => `"nats://127.0.0.1:${port}"`).join(", ");
  const servers = await Promise.all(
    routePorts.map((port, i) => {
      const cluster = `cluster { name: test, listen: "127.0.0.1:${port}", routes: [${routes}] }`;
      return startNats({ configuration: `server_name: "server-${i}"\n${cluster}` });
    }),
  );
  const addresses = servers.map(({ port }) => `127.0.0.1:${port}`);
  const admin = await connect({ servers: addresses, maxReconnectAttempts: -1, reconnectTimeWait: 50 });
  /** Asks until there is an answer that is no error. */
  const ask = async <Answer>(verb: string, isRight: (answer: Answer) => boolean): Promise<Answer> => {
    const deadline = Date.now() + CLUSTER_MS;
    for (;;) {
      const answer = await admin.request(`$JS.API.${verb}`, "", { timeout: 1000 }).then(
        (message) => message.json<Answer & { readonly error?: unknown }>(),
        () => undefined,
      );
      if (answer !== undefined && answer.error === undefined && isRight(answer)) return answer;
      if (Date.now() > deadline) throw new Error(`The cluster does not answer ${verb}: ${JSON.stringify(answer)}`);
      await new Promise((resolve) => setTimeout(resolve, 50));
    }
  };
  await ask("INFO", () => true);
  return {
    servers,
    addresses,
    leaderOf: async (stream) => {
      type Answer = { readonly cluster?: { readonly leader?: string } };
      const { cluster } = await ask<Answer>(`STREAM.INFO.${stream}`, (answer) => answer.cluster?.leader !== undefined);
      return servers[Number(cluster?.leader?.replace("server-", ""))] as NatsServer;
    },
    close: async () => {
      await admin.close();
      await Promise.all(servers.map((server) => server.close()));
    },
  };
}

/** Waits until the server, JetStream included, reports that it is ready, and takes connections. */
async function ready(child: ChildProcess, port: number, output: () => string): Promise<void> {
  for (let tries = 0; tries < 400; tries += 1) {
    if (child.exitCode !== null) break;
    if (output().includes("Server is ready") && (await accepts(port))) return;
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
  throw new Error(`nats-server has not started:\n${output()}`);
}

async function accepts(port: number): Promise<boolean> {
  const socket = openSocket(port, "127.0.0.1");
  const connected = await new Promise<boolean>((resolve) => {
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
  });
  socket.destroy();
  return connected;
}

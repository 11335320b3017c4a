import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
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
  const socket = connect(port, "127.0.0.1");
  const connected = await new Promise<boolean>((resolve) => {
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
  });
  socket.destroy();
  return connected;
}

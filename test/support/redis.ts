import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { freePort } from "./free-port.ts";
import { systemPath } from "./system-packages.ts";

export interface RedisServerOptions {
  /** Whether acknowledged data survive a kill of the process. */
  readonly persistent?: boolean;
  readonly password?: string;
  /** Further settings, as command-line arguments: `["--maxmemory", "2mb"]`. */
  readonly settings?: readonly string[];
}

/** A `redis-server` on a free port of 127.0.0.1, with a folder of its own. The caller of `startRedis` closes it. */
export interface RedisServer {
  readonly port: number;
  readonly url: string;
  readonly pid: number | undefined;
  /** Shuts the process down gracefully. */
  stop(): Promise<void>;
  /** Kills the process. */
  kill(): Promise<void>;
  /** Starts it again, on the same port and with the same folder. */
  start(): Promise<void>;
  /** Suspends the process until `thaw`. */
  freeze(): void;
  thaw(): void;
  /** Runs a command by `redis-cli`, and returns its output. */
  cli(...args: string[]): Promise<string>;
  /** Kills the process, and removes its folder. */
  close(): Promise<void>;
}

const START_MS = 10_000;
const running = new Set<ChildProcess>();
const folders = new Set<string>();

// A test run that fails may not have closed its servers.
process.once("exit", () => {
  for (const child of running) child.kill("SIGKILL");
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

export async function startRedis(options: RedisServerOptions = {}): Promise<RedisServer> {
  const { persistent = false, password, settings = [] } = options;
  const port = await freePort();
  const folder = temporaryFolder("comet-redis-");
  const keep = persistent ? ["--appendonly", "yes", "--appendfsync", "always"] : ["--save", "", "--appendonly", "no"];
  const auth = password === undefined ? [] : ["--requirepass", password];
  const args = ["--port", port, "--bind", "127.0.0.1", "--dir", folder.path, ...keep, ...auth, ...settings];
  const server = new RedisProcess(port, args.map(String));
  await server.start();
  const login = password === undefined ? [] : ["-a", password, "--no-auth-warning"];
  return {
    port,
    url: `redis://${password === undefined ? "" : `:${encodeURIComponent(password)}@`}127.0.0.1:${port}`,
    get pid() {
      return server.pid;
    },
    stop: () => server.end("SIGTERM"),
    kill: () => server.end("SIGKILL"),
    start: () => server.start(),
    freeze: () => server.signal("SIGSTOP"),
    thaw: () => server.signal("SIGCONT"),
    cli: (...command) => server.cli(...login, ...command),
    close: async () => {
      await server.end("SIGKILL");
      folder.remove();
    },
  };
}

/** A folder that is removed at the latest when this process ends. */
export function temporaryFolder(prefix: string): { readonly path: string; readonly remove: () => void } {
  const path = mkdtempSync(join(tmpdir(), prefix));
  folders.add(path);
  const remove = (): void => {
    rmSync(path, { recursive: true, force: true });
    folders.delete(path);
  };
  return { path, remove };
}

/** A `redis-server`, which may run as a sentinel. */
export class RedisProcess {
  readonly #port: number;
  readonly #args: readonly string[];
  #child: ChildProcess | undefined;

  constructor(port: number, args: readonly string[]) {
    this.#port = port;
    this.#args = args;
  }

  get pid(): number | undefined {
    return this.#child?.pid;
  }

  /** Resolves when it answers. */
  async start(): Promise<void> {
    const started = spawn(systemPath("redis-server"), this.#args, { stdio: ["ignore", "pipe", "inherit"] });
    running.add(started);
    started.once("exit", () => running.delete(started));
    let output = "";
    started.stdout.on("data", (bytes: Buffer) => (output = `${output}${bytes.toString()}`.slice(-4000)));
    this.#child = started;
    await untilAnswering(this.#port, () => {
      if (started.exitCode !== null) throw new Error(`redis-server ended with ${started.exitCode}:\n${output}`);
    });
  }

  async end(signal: "SIGTERM" | "SIGKILL"): Promise<void> {
    const ended = this.#child;
    this.#child = undefined;
    if (ended === undefined || ended.exitCode !== null || ended.signalCode !== null) return;
    const exited = once(ended, "exit");
    ended.kill(signal);
    await exited;
  }

  signal(signal: "SIGSTOP" | "SIGCONT"): void {
    this.#child?.kill(signal);
  }

  /** Runs a command by `redis-cli`, and returns its output. */
  async cli(...command: string[]): Promise<string> {
    const { stdout } = await promisify(execFile)("redis-cli", ["-p", String(this.#port), ...command]);
    return stdout.trimEnd();
  }
}

/** A Redis Cluster of three servers without replicas. */
export interface RedisCluster {
  readonly servers: readonly RedisServer[];
  close(): Promise<void>;
}

export async function startRedisCluster(options: RedisServerOptions = {}): Promise<RedisCluster> {
  const servers = await Promise.all(Array.from({ length: 3 }, () => startRedisMember(options)));
  const close = async (): Promise<void> => {
    await Promise.all(servers.map((server) => server.close()));
  };
  try {
    await formCluster(servers);
  } catch (error) {
    await close();
    throw error;
  }
  return { servers, close };
}

async function startRedisMember(options: RedisServerOptions): Promise<RedisServer> {
  // The default port of the cluster bus is larger by 10,000, and may exceed 65,535.
  const bus = String(await freePort());
  const cluster = ["--cluster-enabled", "yes", "--cluster-port", bus, "--cluster-node-timeout", "2000"];
  return startRedis({ ...options, settings: [...(options.settings ?? []), ...cluster] });
}

async function formCluster(servers: readonly RedisServer[]): Promise<void> {
  const [first] = servers as readonly [RedisServer];
  const size = Math.ceil(16_384 / servers.length);
  for (const [i, server] of servers.entries()) {
    const to = Math.min(16_384, (i + 1) * size) - 1;
    await server.cli("CLUSTER", "ADDSLOTSRANGE", String(i * size), String(to));
    await server.cli("CLUSTER", "SET-CONFIG-EPOCH", String(i + 1));
  }
  const bus = /:(\d+)@(\d+)/;
  for (const server of servers.slice(1)) {
    const [, , busPort = ""] = bus.exec(await server.cli("CLUSTER", "NODES")) ?? [];
    await first.cli("CLUSTER", "MEET", "127.0.0.1", String(server.port), busPort);
  }
  const deadline = Date.now() + START_MS;
  for (const server of servers) {
    while (!(await isWhole(server, servers.length))) {
      if (Date.now() > deadline) throw new Error("The Redis Cluster did not form.");
      await sleep(50);
    }
  }
}

async function isWhole(server: RedisServer, size: number): Promise<boolean> {
  const info = await server.cli("CLUSTER", "INFO");
  return info.includes("cluster_state:ok") && info.includes(`cluster_known_nodes:${size}`);
}

/** Waits until a server answers anything other than `LOADING`. */
async function untilAnswering(port: number, check: () => void): Promise<void> {
  const deadline = Date.now() + START_MS;
  for (;;) {
    check();
    const answer = await ping(port);
    if (answer !== "" && !answer.startsWith("-LOADING")) return;
    if (Date.now() > deadline) throw new Error(`redis-server does not answer on port ${port}.`);
    await sleep(20);
  }
}

function ping(port: number): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect(port, "127.0.0.1", () => socket.write("PING\r\n"));
    socket.setTimeout(1000, () => socket.destroy());
    socket.once("data", (bytes) => {
      resolve(bytes.toString());
      socket.destroy();
    });
    socket.on("error", () => undefined);
    socket.once("close", () => resolve(""));
  });
}

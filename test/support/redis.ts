import { execFile, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
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
  const folder = mkdtempSync(join(tmpdir(), "comet-redis-"));
  folders.add(folder);
  const keep = persistent ? ["--appendonly", "yes", "--appendfsync", "always"] : ["--save", "", "--appendonly", "no"];
  const auth = password === undefined ? [] : ["--requirepass", password];
  const args = ["--port", port, "--bind", "127.0.0.1", "--dir", folder, ...keep, ...auth, ...settings].map(String);
  let child: ChildProcess | undefined;

  const start = async (): Promise<void> => {
    const started = spawn(systemPath("redis-server"), args, { stdio: ["ignore", "pipe", "inherit"] });
    running.add(started);
    started.once("exit", () => running.delete(started));
    let output = "";
    started.stdout.on("data", (bytes: Buffer) => (output = `${output}${bytes.toString()}`.slice(-4000)));
    child = started;
    await untilAnswering(port, () => {
      if (started.exitCode !== null) throw new Error(`redis-server ended with ${started.exitCode}:\n${output}`);
    });
  };
  const end = async (signal: "SIGTERM" | "SIGKILL"): Promise<void> => {
    const ended = child;
    child = undefined;
    if (ended === undefined || ended.exitCode !== null || ended.signalCode !== null) return;
    const exited = once(ended, "exit");
    ended.kill(signal);
    await exited;
  };

  await start();
  return {
    port,
    url: `redis://${password === undefined ? "" : `:${encodeURIComponent(password)}@`}127.0.0.1:${port}`,
    get pid() {
      return child?.pid;
    },
    stop: () => end("SIGTERM"),
    kill: () => end("SIGKILL"),
    start,
    freeze: () => void child?.kill("SIGSTOP"),
    thaw: () => void child?.kill("SIGCONT"),
    cli: async (...command) => {
      const login = password === undefined ? [] : ["-a", password, "--no-auth-warning"];
      const { stdout } = await promisify(execFile)("redis-cli", ["-p", String(port), ...login, ...command]);
      return stdout.trimEnd();
    },
    close: async () => {
      await end("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
      folders.delete(folder);
    },
  };
}

/** A Redis Cluster of three servers without replicas. */
export interface RedisCluster {
  readonly servers: readonly RedisServer[];
  close(): Promise<void>;
}

export async function startRedisCluster(options: RedisServerOptions = {}): Promise<RedisCluster> {
  const servers: RedisServer[] = [];
  try {
    for (let i = 0; i < 3; i += 1) servers.push(await startRedisMember(options));
    await formCluster(servers);
  } catch (error) {
    for (const server of servers) await server.close();
    throw error;
  }
  return {
    servers,
    close: async () => {
      for (const server of servers) await server.close();
    },
  };
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

/** A master, a replica, and a sentinel that watches them. */
export interface RedisSentinel {
  /** The name of the master. */
  readonly name: string;
  readonly port: number;
  readonly servers: readonly RedisServer[];
  /** Makes the replica the master. Resolves when the old master has become its replica, with the same data. */
  failOver(): Promise<void>;
  close(): Promise<void>;
}

export async function startRedisSentinel(): Promise<RedisSentinel> {
  const name = "main";
  const master = await startRedis();
  const replica = await startRedis({ settings: ["--replicaof", `127.0.0.1 ${master.port}`] });
  const folder = mkdtempSync(join(tmpdir(), "comet-sentinel-"));
  folders.add(folder);
  const port = await freePort();
  const file = join(folder, "sentinel.conf");
  const lines = [
    ...[`port ${port}`, "bind 127.0.0.1", `dir ${folder}`, `sentinel monitor ${name} 127.0.0.1 ${master.port} 1`],
    ...[`sentinel down-after-milliseconds ${name} 1000`, `sentinel failover-timeout ${name} 2000`],
  ];
  writeFileSync(file, `${lines.join("\n")}\n`);
  const child = spawn(systemPath("redis-server"), [file, "--sentinel"], { stdio: "ignore" });
  running.add(child);
  child.once("exit", () => running.delete(child));
  const cli = async (...command: string[]): Promise<string> =>
    (await promisify(execFile)("redis-cli", ["-p", String(port), ...command])).stdout;
  const reaches = async (what: string, condition: () => Promise<boolean>): Promise<void> => {
    const deadline = Date.now() + START_MS * 3;
    // A server closes all connections when it becomes a replica.
    while (!(await condition().catch(() => false))) {
      if (Date.now() > deadline) throw new Error(`${what}:\n${await cli("SENTINEL", "MASTER", name)}`);
      await sleep(50);
    }
  };
  await untilAnswering(port, () => undefined);
  await reaches("The sentinel does not find the replica", async () =>
    (await cli("SENTINEL", "REPLICAS", name)).includes(`127.0.0.1:${replica.port}\n`),
  );
  let [current, other] = [master, replica];
  return {
    name,
    port,
    servers: [master, replica],
    failOver: async () => {
      // A sentinel refuses while it does not consider the replica healthy, or an earlier fail-over is not over.
      await reaches("The sentinel refuses to fail over", async () =>
        (await cli("SENTINEL", "FAILOVER", name)).includes("OK"),
      );
      await reaches("The replica does not become the master", async () =>
        (await cli("SENTINEL", "GET-MASTER-ADDR-BY-NAME", name)).includes(`\n${other.port}\n`),
      );
      await reaches("The old master does not become a replica", async () =>
        (await current.cli("INFO", "replication")).includes("master_link_status:up"),
      );
      [current, other] = [other, current];
    },
    close: async () => {
      child.kill("SIGKILL");
      for (const server of [master, replica]) await server.close();
      rmSync(folder, { recursive: true, force: true });
      folders.delete(folder);
    },
  };
}

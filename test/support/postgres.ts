import { execFile, execFileSync, spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { chownSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import pg from "pg";
import { freePort } from "./free-port.ts";
import { ensureSystemPackages, systemPath } from "./system-packages.ts";

export interface PostgresServerOptions {
  /** Further settings: `{ max_connections: "10" }`. */
  readonly settings?: Readonly<Record<string, string>>;
  /** The encoding of its databases. @default "UTF8" */
  readonly encoding?: string;
}

/** A PostgreSQL server on a free port of 127.0.0.1, with a folder of its own. The caller of `startPostgres` closes it. */
export interface PostgresServer {
  readonly port: number;
  /** The address of its database `postgres`, for its superuser. */
  readonly url: string;
  /** The folder of its data. */
  readonly folder: string;
  /** Creates a pool of connections. It is closed with the server. */
  pool(options?: pg.PoolConfig): pg.Pool;
  /** Runs SQL as the superuser, and returns the rows of the last statement. */
  sql(text: string, values?: unknown[]): Promise<Record<string, string | null>[]>;
  /** Starts it again, on the same port and with the same data. */
  start(): Promise<void>;
  /** Shuts it down, without waiting for clients. */
  stop(): Promise<void>;
  /** Kills all of its processes. */
  kill(): Promise<void>;
  /** Suspends all of its processes until `thaw`. */
  freeze(): void;
  thaw(): void;
  /** Kills its processes, and removes its folder. */
  close(): Promise<void>;
}

const START_MS = 30_000;
const running = new Set<ChildProcess>();
const folders = new Set<string>();

// A test run that fails may not have closed its servers.
process.once("exit", () => {
  for (const child of running) signalAll(child, "SIGKILL");
  for (const folder of folders) rmSync(folder, { recursive: true, force: true });
});

/** The user that runs the server: it refuses to run as root. */
export const serverOwner = (): { readonly uid: number; readonly gid: number } | undefined => {
  if (process.getuid?.() !== 0) return undefined;
  const id = (flag: string): number => Number(execFileSync("id", [flag, "postgres"], { encoding: "utf8" }));
  return { uid: id("-u"), gid: id("-g") };
};

/** Creates a folder in the temporary one that belongs to the user of the server. */
export function serverFolder(label: string): string {
  const folder = mkdtempSync(join(tmpdir(), `comet-${label}-`));
  folders.add(folder);
  const user = serverOwner();
  if (user !== undefined) chownSync(folder, user.uid, user.gid);
  return folder;
}

/** Starts a server. Resolves when it takes connections. */
export async function startPostgres(options: PostgresServerOptions = {}): Promise<PostgresServer> {
  await ensureSystemPackages(["postgres"]);
  const program = systemPath("postgres");
  const folder = serverFolder("postgres");
  const data = join(folder, "data");
  const user = serverOwner() ?? {};
  const initial = [
    "-D",
    data,
    "-A",
    "trust",
    "-U",
    "postgres",
    "-E",
    options.encoding ?? "UTF8",
    "--no-locale",
    "--no-sync",
  ];
  await promisify(execFile)(join(dirname(program), "initdb"), initial, { ...user, cwd: folder });
  const port = await freePort();
  // A killed process loses nothing that the system has; a flush to the disk is only for crashes of the machine.
  const settings = { fsync: "off", max_connections: "200", log_min_messages: "fatal", ...options.settings };
  const lines = [`port = ${port}`, "listen_addresses = '127.0.0.1'", "unix_socket_directories = ''"];
  lines.push(...Object.entries(settings).map(([name, value]) => `${name} = '${value}'`));
  writeFileSync(join(data, "postgresql.auto.conf"), `${lines.join("\n")}\n`);
  const url = `postgres://postgres@127.0.0.1:${port}/postgres`;
  const pools: pg.Pool[] = [];
  let child: ChildProcess | undefined;

  const start = async (): Promise<void> => {
    const deadline = Date.now() + START_MS;
    for (;;) {
      const started = spawn(program, ["-D", data], { ...user, cwd: folder, stdio: ["ignore", "ignore", "pipe"] });
      running.add(started);
      started.once("exit", () => running.delete(started));
      let output = "";
      started.stderr.on("data", (bytes: Buffer) => (output = `${output}${bytes.toString()}`.slice(-4000)));
      child = started;
      while (started.exitCode === null && Date.now() < deadline) {
        if (await isAnswering(url)) return;
        await sleep(20);
      }
      if (Date.now() >= deadline) throw new Error(`postgres does not answer on port ${port}:\n${output}`);
      // Processes of a killed server may still end.
      await sleep(50);
    }
  };
  const end = async (signal: NodeJS.Signals): Promise<void> => {
    const ended = child;
    child = undefined;
    if (ended === undefined || ended.exitCode !== null || ended.signalCode !== null) return;
    const exited = once(ended, "exit");
    if (signal === "SIGKILL") signalAll(ended, signal);
    else ended.kill(signal);
    await exited;
  };

  await start();
  return {
    port,
    url,
    folder: data,
    pool: (config = {}) => {
      const pool = new pg.Pool({ connectionString: url, ...config });
      // Idle connections break with the server.
      pool.on("error", () => undefined);
      pools.push(pool);
      return pool;
    },
    sql: async (text, values) => {
      const client = new pg.Client({ connectionString: url });
      await client.connect();
      try {
        const result = await client.query<Record<string, string | null>>(text, values);
        return (
          (Array.isArray(result) ? (result as pg.QueryResult<Record<string, string | null>>[]).at(-1) : result)?.rows ??
          []
        );
      } finally {
        await client.end();
      }
    },
    start,
    stop: () => end("SIGINT"),
    kill: () => end("SIGKILL"),
    freeze: () => {
      if (child !== undefined) signalAll(child, "SIGSTOP");
    },
    thaw: () => {
      if (child !== undefined) signalAll(child, "SIGCONT");
    },
    close: async () => {
      await Promise.all(pools.map((pool) => pool.end().catch(() => undefined)));
      await end("SIGKILL");
      rmSync(folder, { recursive: true, force: true });
      folders.delete(folder);
    },
  };
}

/** Sends a signal to the server and to its processes, each of which is in a group of its own. */
function signalAll(server: ChildProcess, signal: NodeJS.Signals): void {
  let children: number[] = [];
  try {
    const path = `/proc/${server.pid ?? 0}/task/${server.pid ?? 0}/children`;
    children = readFileSync(path, "utf8").trim().split(" ").filter(Boolean).map(Number);
  } catch {
    // It has ended.
  }
  server.kill(signal);
  for (const pid of children) {
    try {
      process.kill(pid, signal);
    } catch {
      // It has ended.
    }
  }
}

async function isAnswering(url: string): Promise<boolean> {
  const client = new pg.Client({ connectionString: url, connectionTimeoutMillis: 1000 });
  client.on("error", () => undefined);
  try {
    await client.connect();
    await client.query("SELECT 1");
    return true;
  } catch {
    return false;
  } finally {
    await client.end().catch(() => undefined);
  }
}

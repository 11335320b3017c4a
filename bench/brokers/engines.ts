import { mkdtempSync, readdirSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import type { HubOptions } from "../../dist/index.js";
import { startPostgres } from "../../test/support/postgres.ts";
import { startNats } from "../../test/support/nats.ts";
import { startRedis } from "../../test/support/redis.ts";
import type { SystemNeedName } from "../../test/support/system-packages.ts";

/** What a hub's messages are ordered and kept by. `memory` is a hub with no broker at all. */
export const engines = ["memory", "sqlite", "postgres", "redis", "nats"] as const;
export type Engine = (typeof engines)[number];

export const titles: { readonly [engine in Engine]: string } = {
  memory: "memory",
  sqlite: "SQLite",
  postgres: "PostgreSQL",
  redis: "Redis",
  nats: "NATS",
};
const programs: { readonly [engine in Engine]: readonly SystemNeedName[] } = {
  memory: [],
  sqlite: [],
  postgres: ["postgres"],
  redis: ["redis-server"],
  nats: ["nats-server"],
};

/** The programs that they need. */
export function needsOf(chosen: readonly Engine[]): readonly SystemNeedName[] {
  return chosen.flatMap((engine) => programs[engine]);
}

/** A server process of an engine, for one trial. */
export interface EngineServer {
  readonly url: string;
  /** What all its threads have used, in microseconds. */
  cpuUs(): number;
  close(): Promise<void>;
}

/**
 * Starts a server with nothing in it, on a free port, on the cores of this process. Redis is not persistent; JetStream is in files and
 * does not wait for the disk; PostgreSQL and SQLite wait for it.
 */
export async function startEngine(engine: Engine): Promise<EngineServer> {
  if (engine === "memory") return { url: "", cpuUs: () => 0, close: () => Promise.resolve() };
  if (engine === "sqlite") {
    // The work of SQLite is done by the process itself.
    const folder = mkdtempSync(join(tmpdir(), "comet-bench-"));
    const close = (): Promise<void> => {
      rmSync(folder, { recursive: true });
      return Promise.resolve();
    };
    return { url: join(folder, "comet.db"), cpuUs: () => 0, close };
  }
  const before = childrenOf(process.pid);
  const server = await starters[engine]();
  const pids = childrenOf(process.pid).filter((pid) => !before.includes(pid));
  return {
    url: `${engine}://${engine === "postgres" ? "postgres@" : ""}127.0.0.1:${server.port}`,
    cpuUs: () => pids.reduce((sum, pid) => sum + cpuUsOf(pid), 0),
    close: () => server.close(),
  };
}

const starters = {
  postgres: () => startPostgres({ settings: { fsync: "on" } }),
  redis: startRedis,
  nats: startNats,
};

/** The processes that a process has started. */
function childrenOf(pid: number | string): readonly string[] {
  const threads = readdirSync(`/proc/${pid}/task`);
  return threads.flatMap((thread) => {
    const text = readFileSync(`/proc/${pid}/task/${thread}/children`, "utf8").trim();
    return text === "" ? [] : text.split(" ");
  });
}

function cpuUsOf(pid: string): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  const nanoseconds = threads.map((thread) => {
    return Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ", 1)[0]);
  });
  const own = nanoseconds.reduce((sum, one) => sum + one, 0) / 1000;
  // PostgreSQL has a process for each connection.
  return childrenOf(pid).reduce((sum, child) => sum + cpuUsOf(child), own);
}

/** The options by which a hub joins those that use the same server. */
export async function joining(engine: Engine, url: string): Promise<HubOptions> {
  switch (engine) {
    case "memory":
      return {};
    case "sqlite": {
      const { sqliteBroker } = await import("../../dist/brokers/sqlite/index.js");
      return { broker: await sqliteBroker({ path: url }) };
    }
    case "postgres": {
      const { default: pg } = await import("pg");
      const { postgresBroker } = await import("../../dist/brokers/postgres/index.js");
      return { broker: await postgresBroker({ pool: new pg.Pool({ connectionString: url }) }) };
    }
    case "redis": {
      const { createClient } = await import("redis");
      const { redisBroker } = await import("../../dist/brokers/redis/index.js");
      return { broker: await redisBroker({ client: createClient({ url }) }) };
    }
    case "nats": {
      const { natsBroker } = await import("../../dist/brokers/nats/index.js");
      return { broker: await natsBroker({ connection: { servers: url } }) };
    }
  }
}

/** The path of a program in processes/. */
export function processFile(name: string): string {
  return fileURLToPath(new URL(`processes/${name}`, import.meta.url));
}

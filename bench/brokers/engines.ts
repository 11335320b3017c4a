import { readdirSync, readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import type { HubOptions } from "../../dist/index.js";
import { startNats } from "../../test/support/nats.ts";
import { startRedis } from "../../test/support/redis.ts";
import type { SystemNeedName } from "../../test/support/system-packages.ts";

/** What a hub's messages are ordered and kept by. `memory` is a hub with no broker at all. */
export const engines = ["memory", "redis", "nats"] as const;
export type Engine = (typeof engines)[number];

export const titles: { readonly [engine in Engine]: string } = { memory: "memory", redis: "Redis", nats: "NATS" };

/** The programs that they need. */
export function needsOf(chosen: readonly Engine[]): readonly SystemNeedName[] {
  return chosen.flatMap((engine) => (engine === "memory" ? [] : [`${engine}-server` as const]));
}

/** A server process of an engine, for one trial. */
export interface EngineServer {
  readonly url: string;
  /** What all its threads have used, in microseconds. */
  cpuUs(): number;
  close(): Promise<void>;
}

/** Starts a server with nothing in it, on a free port, on the cores of this process. Redis is not persistent; JetStream is in files. */
export async function startEngine(engine: Engine): Promise<EngineServer> {
  if (engine === "memory") return { url: "", cpuUs: () => 0, close: () => Promise.resolve() };
  const before = children();
  const server = await (engine === "redis" ? startRedis() : startNats());
  const pids = children().filter((pid) => !before.includes(pid));
  return {
    url: `${engine}://127.0.0.1:${server.port}`,
    cpuUs: () => pids.reduce((sum, pid) => sum + cpuUsOf(pid), 0),
    close: () => server.close(),
  };
}

/** The processes that this one has started. */
function children(): readonly string[] {
  return readFileSync(`/proc/self/task/${process.pid}/children`, "utf8").trim().split(" ");
}

function cpuUsOf(pid: string): number {
  const threads = readdirSync(`/proc/${pid}/task`);
  const nanoseconds = threads.map((thread) => {
    return Number(readFileSync(`/proc/${pid}/task/${thread}/schedstat`, "utf8").split(" ", 1)[0]);
  });
  return nanoseconds.reduce((sum, one) => sum + one, 0) / 1000;
}

/** The options by which a hub joins those that use the same server. */
export async function joining(engine: Engine, url: string): Promise<HubOptions> {
  switch (engine) {
    case "memory":
      return {};
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

import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { freePort } from "./free-port.ts";
import { RedisProcess, startRedis, temporaryFolder, type RedisServer } from "./redis.ts";

/** The interval at which a state is asked for, in milliseconds: each question is a process. */
const POLL_MS = 100;
/** The longest time for any step, in milliseconds. */
const STEP_MS = 60_000;

/** A master with replicas, and a sentinel that watches them. */
export interface RedisSentinel {
  /** The name of the master. */
  readonly name: string;
  readonly port: number;
  readonly servers: readonly RedisServer[];
  /** The present master. */
  master(): Promise<RedisServer>;
  /** Waits for all replicas, and disconnects them from the master, until one of them is the master, so that they lack what is written from now on. */
  isolate(): Promise<void>;
  /** Has the sentinel begin a planned fail-over. */
  failOver(): Promise<void>;
  /** Resolves when the sentinel has announced another master than this one. */
  untilMoved(from: RedisServer): Promise<void>;
  /** Kills the sentinel, and starts it with this server as the master. */
  restart(master: RedisServer): Promise<void>;
  /** Runs a command on the sentinel. */
  cli(...command: string[]): Promise<string>;
  close(): Promise<void>;
}

/** @param replicas The number of replicas: 1 at the least for a fail-over. */
export async function startRedisSentinel(replicas: number): Promise<RedisSentinel> {
  const name = "main";
  // By default a master waits 5 s for more replicas before it sends its data.
  const settings = ["--repl-diskless-sync-delay", "0"];
  const first = await startRedis({ settings });
  const others = await Promise.all(
    Array.from({ length: replicas }, () =>
      startRedis({ settings: [...settings, "--replicaof", `127.0.0.1 ${first.port}`] }),
    ),
  );
  const servers = [first, ...others];
  const folder = temporaryFolder("comet-sentinel-");
  const port = await freePort();
  const file = join(folder.path, "sentinel.conf");
  const configure = (master: RedisServer): void => {
    const lines = [
      ...[
        `port ${port}`,
        "bind 127.0.0.1",
        `dir ${folder.path}`,
        `sentinel monitor ${name} 127.0.0.1 ${master.port} 1`,
      ],
      ...[`sentinel down-after-milliseconds ${name} 1000`, `sentinel failover-timeout ${name} 3000`],
    ];
    writeFileSync(file, `${lines.join("\n")}\n`);
  };
  const sentinel = new RedisProcess(port, [file, "--sentinel"]);
  const start = async (): Promise<void> => {
    await sentinel.start();
    // It asks the servers often, so that a fail-over takes about two seconds. It pings them as usual: a replica that is slow to answer five
    // pings is not promoted.
    const periods = ["INFO-PERIOD", "ASK-PERIOD", "PUBLISH-PERIOD"].flatMap((period) => [period, "100"]);
    await sentinel.cli("SENTINEL", "DEBUG", ...periods, "TILT-PERIOD", "100");
  };
  /** What the sentinel and each server say of themselves, for the message of an error. */
  const states = async (): Promise<string> => {
    const said = [
      sentinel.cli("SENTINEL", "MASTER", name),
      ...servers.map((server) => server.cli("INFO", "replication")),
    ];
    const texts = await Promise.all(said.map((text) => text.catch(String)));
    return texts.join("\n\n");
  };
  const reaches = async (what: string, condition: () => Promise<boolean>): Promise<void> => {
    const deadline = Date.now() + STEP_MS;
    // A server closes all connections when it becomes a replica.
    while (!(await condition().catch(() => false))) {
      if (Date.now() > deadline) throw new Error(`${what}:\n${await states()}`);
      await sleep(POLL_MS);
    }
  };
  /** The port of the master that the sentinel announced last. During a fail-over it answers clients with that of the next one. */
  const portOfMaster = async (): Promise<number> =>
    Number(/^port\n(\d+)$/m.exec(await sentinel.cli("SENTINEL", "MASTER", name))?.[1]);
  const master = async (): Promise<RedisServer> => {
    const current = await portOfMaster();
    const found = servers.find((server) => server.port === current);
    if (found === undefined) throw new Error(`The sentinel names a foreign master on port ${current}.`);
    return found;
  };
  const all = (some: readonly RedisServer[], ...command: string[]): Promise<unknown> =>
    Promise.all(some.map((server) => reaches("It fails", async () => (await server.cli(...command)) === "OK")));
  const without = (one: RedisServer): RedisServer[] => servers.filter((server) => server !== one);
  const isMaster = async (server: RedisServer): Promise<boolean> =>
    (await server.cli("ROLE").catch(() => "")).startsWith("master");
  /**
   * Has a server that has come back follow the master. The sentinel does it too, but only once it has found all of them well for
   * eight seconds in a row, as on a busy machine it may never do.
   */
  const follow = async (server: RedisServer, leader: RedisServer): Promise<void> => {
    const isFollowing = new RegExp(`^master_port:${leader.port}\\b`, "m").test(await server.cli("INFO", "replication"));
    if (!isFollowing) await server.cli("REPLICAOF", "127.0.0.1", String(leader.port));
  };
  configure(first);
  await start();
  await reaches("The sentinel does not find the replicas", async () =>
    (await sentinel.cli("SENTINEL", "MASTER", name)).includes(`\nnum-slaves\n${replicas}\n`),
  );
  return {
    name,
    port,
    servers,
    master,
    isolate: async () => {
      const current = await master();
      // A replica that is older than the last fail-over would bring back an epoch that is over.
      await reaches("The replicas are not up to date", async () => {
        await Promise.all(without(current).map((server) => follow(server, current)));
        const online = (await current.cli("INFO", "replication")).match(/^slave\d+:.*state=online/gm);
        return online?.length === servers.length - 1;
      });
      // The master needs no password, and so refuses a replica that sends one.
      await all(without(current), "CONFIG", "SET", "masterauth", "none");
      await current.cli("CLIENT", "KILL", "TYPE", "replica");
    },
    failOver: () =>
      // A sentinel refuses while it does not consider a replica healthy, or an earlier fail-over is not over.
      reaches("The sentinel refuses to fail over", async () =>
        (await sentinel.cli("SENTINEL", "FAILOVER", name)).includes("OK"),
      ),
    untilMoved: async (from) => {
      await reaches("No replica becomes the master", async () =>
        (await Promise.all(without(from).map(isMaster))).includes(true),
      );
      await all(without(from), "CONFIG", "SET", "masterauth", "");
      await reaches("The sentinel announces no other master", async () => (await portOfMaster()) !== from.port);
    },
    restart: async (next) => {
      await sentinel.end("SIGKILL");
      configure(next);
      await start();
    },
    cli: (...command) => sentinel.cli(...command),
    close: async () => {
      await sentinel.end("SIGKILL");
      await Promise.all(servers.map((server) => server.close()));
      folder.remove();
    },
  };
}

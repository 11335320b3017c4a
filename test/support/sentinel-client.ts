import { EventEmitter } from "node:events";
import { createClient, type RedisClientOptions } from "redis";
import type { RedisClient } from "../../src/brokers/redis/index.ts";

export interface SentinelClientOptions {
  /** The name by which the sentinels know the master. */
  readonly name: string;
  readonly sentinels: readonly { readonly host: string; readonly port: number }[];
  /** Options of the connections to the master: user, password, TLS. */
  readonly client?: RedisClientOptions;
}

type Client = ReturnType<typeof createClient>;

/** Time limit of a connection to a sentinel, in milliseconds. */
const SENTINEL_TIMEOUT_MS = 1000;

/**
 * Creates a client for the broker that finds the master through sentinels. Each copy asks them when it connects, stays with that master,
 * and ends when a sentinel announces another one. It never moves: the broker makes new copies, and checks whether messages are lost.
 */
export function sentinelClient(options: SentinelClientOptions): RedisClient {
  const events = new EventEmitter();
  const clients: Client[] = [];
  let isDestroyed = false;
  const end = (error: unknown): void => {
    if (!isDestroyed) events.emit("error", error);
  };
  const destroy = (): void => {
    isDestroyed = true;
    for (const client of clients) client.destroy();
  };
  const open = async (host: string, port: number, more: RedisClientOptions, onEnd: (error: unknown) => void) => {
    const socket = { ...more.socket, host, port, reconnectStrategy: false } as NonNullable<
      RedisClientOptions["socket"]
    >;
    const client = createClient({ ...more, socket, disableOfflineQueue: true }) as Client;
    client.on("error", onEnd);
    client.on("end", () => onEnd(new Error("The connection has ended.")));
    await client.connect();
    if (isDestroyed) {
      client.destroy();
      throw new Error("The client is destroyed.");
    }
    clients.push(client);
    return client;
  };

  let master: Client | undefined;
  const connected = (): Client => {
    if (master === undefined) throw new Error("The client is not connected.");
    return master;
  };
  return {
    duplicate: () => sentinelClient(options),
    on: (event, listener) => events.on(event, listener),
    connect: async () => {
      const { sentinel, host, port } = await findMaster(options, open);
      master = await open(host, port, options.client ?? {}, end);
      const [role] = (await master.sendCommand(["ROLE"])) as unknown as [string];
      if (role !== "master") throw new Error(`${host}:${port} is not a master any more.`);
      await sentinel.subscribe("+switch-master", (message) => {
        const [name, , , newHost, newPort] = message.split(" ");
        const isSame = newHost === host && newPort === String(port);
        if (name === options.name && !isSame) end(new Error("The master is another server."));
      });
    },
    sendCommand: (args) => connected().sendCommand(args),
    subscribe: (channels, listener) => connected().subscribe(channels, listener),
    unsubscribe: (channels, listener) => connected().unsubscribe(channels, listener),
    destroy,
  };
}

type Open = (host: string, port: number, more: RedisClientOptions, onEnd: (error: unknown) => void) => Promise<Client>;

async function findMaster(
  { name, sentinels }: SentinelClientOptions,
  open: Open,
): Promise<{ readonly sentinel: Client; readonly host: string; readonly port: number }> {
  const errors: unknown[] = [];
  for (const { host, port } of sentinels) {
    try {
      const socket = { connectTimeout: SENTINEL_TIMEOUT_MS } as NonNullable<RedisClientOptions["socket"]>;
      const sentinel = await open(host, port, { socket }, () => undefined);
      const address = (await sentinel.sendCommand(["SENTINEL", "GET-MASTER-ADDR-BY-NAME", name])) as unknown;
      if (Array.isArray(address)) return { sentinel, host: String(address[0]), port: Number(address[1]) };
      sentinel.destroy();
    } catch (error) {
      errors.push(error);
    }
  }
  throw new AggregateError(errors, `No sentinel knows the master ${name}.`);
}

/** Receives each message of a subscribed channel: two texts, or their bytes. */
export type RedisListener = (message: unknown, channel: unknown) => void;

/** The address of a server: the options of a socket that `createClient` of the package `redis` takes. */
export interface RedisAddress {
  readonly host: string;
  readonly port: number;
}

/** Options that differ in the copies of a client, if it has them: commands have no time limit but the broker's. */
export interface RedisOverrides {
  readonly commandOptions: { readonly timeout: 0 };
}

/**
 * A Redis client, as far as the broker needs one: that of `createClient` in the package `redis`, from version 5. The broker calls only
 * `duplicate` of the given client, and owns the copies. Applications implement this interface over other clients, so that a method
 * added here breaks them.
 */
export interface RedisClient {
  /** Returns an unconnected client with the same options. Its connection may not be moved to another server unnoticed. */
  duplicate(overrides?: RedisOverrides & { readonly maintNotifications: "disabled" }): RedisClient;
  /** Emits `error` when the connection breaks or cannot be made, and `end` when it is closed. */
  on(event: "error" | "end", listener: (error?: unknown) => void): unknown;
  connect(): Promise<unknown>;
  /** Sends a command, in the order of the calls, without waiting for earlier replies. */
  sendCommand(args: string[]): Promise<unknown>;
  subscribe(channels: string[], listener: RedisListener): Promise<unknown>;
  unsubscribe(channels: string[], listener: RedisListener): Promise<unknown>;
  /** Closes the connection at once, and rejects all pending commands. */
  destroy(): void;
}

/** A client of a Redis Cluster, as far as the broker needs one: that of `createCluster` in the package `redis`, from version 5. */
export interface RedisClusterClient {
  /** The server of each slot. */
  readonly slots: ArrayLike<{ readonly master: { readonly id: string } } | undefined>;
  duplicate(overrides?: RedisOverrides & { readonly useReplicas: false }): RedisClusterClient;
  on(event: string, listener: (error?: unknown) => void): unknown;
  connect(): Promise<unknown>;
  sendCommand(firstKey: string | undefined, isReadonly: boolean | undefined, args: string[]): Promise<unknown>;
  subscribe(channels: string[], listener: RedisListener): Promise<unknown>;
  unsubscribe(channels: string[], listener: RedisListener): Promise<unknown>;
  sSubscribe(channels: string[], listener: RedisListener): Promise<unknown>;
  sUnsubscribe(channels: string[], listener: RedisListener): Promise<unknown>;
  destroy(): void;
}

/** Distinguishes the client of a cluster from that of a server. */
export function isClusterClient(client: RedisClient | RedisClusterClient): client is RedisClusterClient {
  return "slots" in client;
}

/** Commands have no time limit of the client: the session has its own. */
export const overrides: RedisOverrides = { commandOptions: { timeout: 0 } };

/** Copies the client of a server. The copy is not connected yet. */
export function copyClient(client: RedisClient): RedisClient {
  return client.duplicate({ ...overrides, maintNotifications: "disabled" });
}

/** Connects a client. One that is destroyed while it connects may have a connection afterwards, and is destroyed again. */
export async function connectOrDestroy(
  client: { connect(): Promise<unknown>; destroy(): void },
  owner: { readonly isClosed: boolean },
): Promise<void> {
  await client.connect();
  if (owner.isClosed) destroy(client);
}

/** Destroys a client. Some throw if they have no connection. */
export function destroy(client: { destroy(): void }): void {
  try {
    client.destroy();
  } catch {
    // There was no connection to close.
  }
}

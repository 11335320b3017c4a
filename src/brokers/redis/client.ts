/** What is called with each message of a channel that is subscribed to: two texts, or their bytes. */
export type RedisListener = (message: unknown, channel: unknown) => void;

/** What is different in the copies of a client, if it knows such options: commands have no time limit but the broker's. */
export interface RedisOverrides {
  readonly commandOptions: { readonly timeout: 0 };
}

/**
 * A Redis client, as far as the broker needs one: that of `createClient` in the package `redis`, from version 5. The broker calls only
 * `duplicate` of the client that it is given, and owns the copies.
 */
export interface RedisClient {
  /** A client with the same options, that is not connected. Its connection may not be moved to another server behind its back. */
  duplicate(overrides?: RedisOverrides & { readonly maintNotifications: "disabled" }): RedisClient;
  /** `error` when the connection breaks or cannot be made, and `end` when it is over. */
  on(event: "error" | "end", listener: (error?: unknown) => void): unknown;
  connect(): Promise<unknown>;
  /** Sends a command, in the order of the calls and without waiting for the replies before. */
  sendCommand(args: string[]): Promise<unknown>;
  subscribe(channels: string[], listener: RedisListener): Promise<unknown>;
  unsubscribe(channels: string[], listener: RedisListener): Promise<unknown>;
  /** Ends the connection at once, and rejects what is under way. */
  destroy(): void;
}

/** The same for a Redis Cluster: the client of `createCluster` in the package `redis`, from version 5. */
export interface RedisClusterClient {
  /** The server that has each slot. */
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

export function isCluster(client: RedisClient | RedisClusterClient): client is RedisClusterClient {
  return "slots" in client;
}

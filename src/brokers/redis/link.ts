import { CometError } from "../../core/errors.ts";
import {
  isCluster,
  type RedisClient,
  type RedisClusterClient,
  type RedisListener,
  type RedisOverrides,
} from "./client.ts";
import { textOf } from "./replies.ts";
import { tagOfEach } from "./slot.ts";

/** What a link tells. */
export interface LinkEvents {
  received(channel: string, text: string): void;
  /** The link is of no use any more, and is to be closed. */
  failed(error: unknown): void;
}

/** The connections of one life: from when they are made until the first of them breaks. */
export interface Link {
  /** Resolves when all connections are made. */
  connect(): Promise<void>;
  /** Sends a command to the server that has the key. */
  send(key: string, args: string[]): Promise<unknown>;
  /** Sends one to any server. */
  ask(args: string[]): Promise<unknown>;
  subscribe(channels: readonly string[]): Promise<void>;
  unsubscribe(channel: string): Promise<void>;
  /** The command that reaches those who are subscribed. */
  readonly publishCommand: "PUBLISH" | "SPUBLISH";
  /** From here on uses channels that only the server knows that has their slot, if the link is one to a cluster. */
  useShards(): void;
  /** A hash tag of each server that the link leads to. */
  readonly tags: readonly string[];
  /** Whether the slots are where they were when `tags` was read first. */
  isAsItWas(): boolean;
  /** Ends all connections at once; what is under way is rejected. */
  close(): void;
}

const overrides: RedisOverrides = { commandOptions: { timeout: 0 } };

/** Copies of the application's client, which are not connected yet. */
export function createLink(client: RedisClient | RedisClusterClient, events: LinkEvents): Link {
  return isCluster(client) ? new ClusterLink(client, events) : new ServerLink(client, events);
}

/** One connection for commands and one for what is told, to one server. */
class ServerLink implements Link {
  readonly publishCommand = "PUBLISH";
  readonly tags: readonly string[] = ["0"];
  readonly #commands: RedisClient;
  readonly #subscriber: RedisClient;
  readonly #events: LinkEvents;
  readonly #listener: RedisListener;
  #isClosed = false;

  constructor(client: RedisClient, events: LinkEvents) {
    this.#events = events;
    this.#listener = (text, channel) => {
      if (!this.#isClosed) events.received(textOf(channel), textOf(text));
    };
    this.#commands = this.#copy(client);
    this.#subscriber = this.#copy(client);
  }

  async connect(): Promise<void> {
    await Promise.all([connectOrDestroy(this.#commands, this), connectOrDestroy(this.#subscriber, this)]);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  send(_key: string, args: string[]): Promise<unknown> {
    return this.#commands.sendCommand(args);
  }

  ask(args: string[]): Promise<unknown> {
    return this.#commands.sendCommand(args);
  }

  async subscribe(channels: readonly string[]): Promise<void> {
    await this.#subscriber.subscribe([...channels], this.#listener);
  }

  async unsubscribe(channel: string): Promise<void> {
    await this.#subscriber.unsubscribe([channel], this.#listener);
  }

  useShards(): void {
    // There is only one server.
  }

  isAsItWas(): boolean {
    return true;
  }

  close(): void {
    this.#isClosed = true;
    destroy(this.#commands);
    destroy(this.#subscriber);
  }

  #copy(client: RedisClient): RedisClient {
    const copy = client.duplicate({ ...overrides, maintNotifications: "disabled" });
    const failed = (error?: unknown): void => {
      if (!this.#isClosed)
        this.#events.failed(error ?? new CometError("ERR_BROKER", "The connection to Redis has ended."));
    };
    copy.on("error", failed);
    copy.on("end", failed);
    return copy;
  }
}

/** One connection for commands to each server of a cluster, and one for what is told: to each server, or to any if it is older than 7. */
class ClusterLink implements Link {
  readonly #cluster: RedisClusterClient;
  readonly #listener: RedisListener;
  #owners: string[] = [];
  #tags: string[] = [];
  #hasShards = false;
  #firstError: { readonly error: unknown } | undefined;
  #isConnected = false;
  #isClosed = false;

  constructor(client: RedisClusterClient, events: LinkEvents) {
    this.#listener = (text, channel) => {
      if (!this.#isClosed) events.received(textOf(channel), textOf(text));
    };
    this.#cluster = client.duplicate({ ...overrides, useReplicas: false });
    // While it connects, it may be that only one of the addresses that the application has given leads nowhere.
    this.#cluster.on("error", (error) => {
      if (!this.#isConnected) this.#firstError ??= { error };
      else if (!this.#isClosed) events.failed(error);
    });
    for (const event of ["node-error", "sharded-channel-moved-error", "sharded-shannel-moved-error"]) {
      this.#cluster.on(event, (error) => {
        if (!this.#isClosed) events.failed(error);
      });
    }
  }

  async connect(): Promise<void> {
    try {
      await connectOrDestroy(this.#cluster, this);
    } catch (error) {
      // It only says that no address has led anywhere.
      throw this.#firstError?.error ?? error;
    }
    this.#isConnected = true;
    this.#owners = Array.from(this.#cluster.slots, (slot) => slot?.master.id ?? "");
    this.#tags = tagOfEach(this.#owners.filter((owner) => owner !== ""));
    if (this.#owners.includes("")) {
      throw new CometError("ERR_BROKER", "Some slots of the Redis Cluster have no server.");
    }
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get publishCommand(): "PUBLISH" | "SPUBLISH" {
    return this.#hasShards ? "SPUBLISH" : "PUBLISH";
  }

  get tags(): readonly string[] {
    return this.#tags;
  }

  send(key: string, args: string[]): Promise<unknown> {
    return this.#cluster.sendCommand(key, false, args);
  }

  ask(args: string[]): Promise<unknown> {
    return this.#cluster.sendCommand(undefined, false, args);
  }

  async subscribe(channels: readonly string[]): Promise<void> {
    if (!this.#hasShards) await this.#cluster.subscribe([...channels], this.#listener);
    // Each has a slot of its own.
    else await Promise.all(channels.map((channel) => this.#cluster.sSubscribe([channel], this.#listener)));
  }

  async unsubscribe(channel: string): Promise<void> {
    if (this.#hasShards) await this.#cluster.sUnsubscribe([channel], this.#listener);
    else await this.#cluster.unsubscribe([channel], this.#listener);
  }

  useShards(): void {
    this.#hasShards = true;
  }

  isAsItWas(): boolean {
    const { slots } = this.#cluster;
    return this.#owners.every((owner, i) => slots[i]?.master.id === owner);
  }

  close(): void {
    this.#isClosed = true;
    destroy(this.#cluster);
  }
}

/** A client that has been destroyed while it was connecting may have a connection afterwards. */
async function connectOrDestroy(
  client: { connect(): Promise<unknown>; destroy(): void },
  link: { readonly isClosed: boolean },
): Promise<void> {
  await client.connect();
  if (link.isClosed) destroy(client);
}

/** Some clients throw when there is nothing to be destroyed. */
function destroy(client: { destroy(): void }): void {
  try {
    client.destroy();
  } catch {
    // Then it is over as well.
  }
}

import { CometError } from "../../core/errors.ts";
import { hashTagPerOwner } from "./hash-slot.ts";
import {
  connectOrDestroy,
  copyClient,
  destroy,
  isClusterClient,
  overrides,
  type RedisClient,
  type RedisClusterClient,
  type RedisListener,
} from "./redis-client.ts";
import { fieldsOf, movedError, textOf } from "./replies.ts";

type OnChannelMessage = (channel: string, text: string) => void;
type OnLinkFailure = (error: unknown) => void;

/**
 * The connections of one session: copies of the application's client, to one server or to a cluster. A link is used once. It never
 * reconnects, since a client that resends or resubscribes by itself would publish twice and miss messages unnoticed.
 */
export interface RedisLink {
  /** Resolves when all connections are made. */
  connect(): Promise<void>;
  /** Sends a command to the server that has the key. */
  send(key: string, args: string[]): Promise<unknown>;
  /** Sends a command to any server. */
  sendToAny(args: string[]): Promise<unknown>;
  subscribe(channels: readonly string[]): Promise<void>;
  unsubscribe(channel: string): Promise<void>;
  /** The command that publishes to the subscribers of {@link subscribe}. */
  readonly publishCommand: "PUBLISH" | "SPUBLISH";
  /** Uses sharded channels from now on, if the link is to a cluster. */
  useShardedChannels(): void;
  /** One hash tag for each server of the link. */
  readonly hashTags: readonly string[];
  /** Rejects if the link leads to other servers than when it was connected. Messages may then have been missed. */
  assertUnmoved(): Promise<void>;
  /** Closes all connections at once, and rejects pending commands. No callback is called afterwards. */
  close(): void;
}

/**
 * Copies the application's client. The copies are not connected yet.
 *
 * @param onFailure Called when a connection has failed, possibly more than once. The link must then be closed.
 */
export function createLink(
  client: RedisClient | RedisClusterClient,
  onMessage: OnChannelMessage,
  onFailure: OnLinkFailure,
): RedisLink {
  return isClusterClient(client)
    ? new ClusterLink(client, onMessage, onFailure)
    : new ServerLink(client, onMessage, onFailure);
}

/** A link to one server: a connection for commands, and one for subscriptions. */
class ServerLink implements RedisLink {
  readonly publishCommand = "PUBLISH";
  readonly hashTags: readonly string[] = ["0"];
  readonly #commands: RedisClient;
  readonly #subscriber: RedisClient;
  readonly #listener: RedisListener;
  readonly #onFailure: OnLinkFailure;
  /** The id of the connection for commands. */
  #connectionId: string | undefined;
  #isClosed = false;

  constructor(client: RedisClient, onMessage: OnChannelMessage, onFailure: OnLinkFailure) {
    this.#listener = (text, channel) => {
      if (!this.#isClosed) onMessage(textOf(channel), textOf(text));
    };
    this.#onFailure = onFailure;
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

  sendToAny(args: string[]): Promise<unknown> {
    return this.#commands.sendCommand(args);
  }

  async subscribe(channels: readonly string[]): Promise<void> {
    await this.#subscriber.subscribe([...channels], this.#listener);
  }

  async unsubscribe(channel: string): Promise<void> {
    await this.#subscriber.unsubscribe([channel], this.#listener);
  }

  useShardedChannels(): void {
    // One server has all slots.
  }

  async assertUnmoved(): Promise<void> {
    const { id = "", role } = fieldsOf(await this.#commands.sendCommand(["HELLO"]));
    this.#connectionId ??= id;
    if (id !== this.#connectionId) throw movedError();
    if (role !== "master") throw new CometError("ERR_BROKER", "The server is not a master any more.");
  }

  close(): void {
    this.#isClosed = true;
    destroy(this.#commands);
    destroy(this.#subscriber);
  }

  #copy(client: RedisClient): RedisClient {
    const copy = copyClient(client);
    const fail = (error?: unknown): void => {
      if (!this.#isClosed) this.#onFailure(error ?? new CometError("ERR_BROKER", "The connection to Redis has ended."));
    };
    copy.on("error", fail);
    copy.on("end", fail);
    return copy;
  }
}

/**
 * A link to a cluster: a connection for commands to each server, and one for subscriptions, to each server or, before Redis 7, to any
 * one of them.
 */
class ClusterLink implements RedisLink {
  readonly #cluster: RedisClusterClient;
  readonly #listener: RedisListener;
  #owners: string[] = [];
  #hashTags: string[] = [];
  #isSharded = false;
  #firstError: { readonly error: unknown } | undefined;
  #isConnected = false;
  #isClosed = false;

  constructor(client: RedisClusterClient, onMessage: OnChannelMessage, onFailure: OnLinkFailure) {
    this.#listener = (text, channel) => {
      if (!this.#isClosed) onMessage(textOf(channel), textOf(text));
    };
    this.#cluster = client.duplicate({ ...overrides, useReplicas: false });
    // During the connect, an error may only mean that one of the configured addresses is unreachable.
    this.#cluster.on("error", (error) => {
      if (!this.#isConnected) this.#firstError ??= { error };
      else if (!this.#isClosed) onFailure(error);
    });
    // Older versions of the client misspell the last event.
    for (const event of ["node-error", "sharded-channel-moved-error", "sharded-shannel-moved-error"]) {
      this.#cluster.on(event, (error) => {
        if (!this.#isClosed) onFailure(error);
      });
    }
  }

  async connect(): Promise<void> {
    try {
      await connectOrDestroy(this.#cluster, this);
    } catch (error) {
      // The client's own error says only that no address could be reached, and not why.
      throw this.#firstError?.error ?? error;
    }
    this.#isConnected = true;
    this.#owners = Array.from(this.#cluster.slots, (slot) => slot?.master.id ?? "");
    this.#hashTags = hashTagPerOwner(this.#owners.filter((owner) => owner !== ""));
    if (this.#owners.includes("")) {
      throw new CometError("ERR_BROKER", "Some slots of the Redis Cluster have no server.");
    }
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  get publishCommand(): "PUBLISH" | "SPUBLISH" {
    return this.#isSharded ? "SPUBLISH" : "PUBLISH";
  }

  get hashTags(): readonly string[] {
    return this.#hashTags;
  }

  send(key: string, args: string[]): Promise<unknown> {
    return this.#cluster.sendCommand(key, false, args);
  }

  sendToAny(args: string[]): Promise<unknown> {
    return this.#cluster.sendCommand(undefined, false, args);
  }

  async subscribe(channels: readonly string[]): Promise<void> {
    if (!this.#isSharded) await this.#cluster.subscribe([...channels], this.#listener);
    // One command takes only channels of one slot.
    else await Promise.all(channels.map((channel) => this.#cluster.sSubscribe([channel], this.#listener)));
  }

  async unsubscribe(channel: string): Promise<void> {
    if (this.#isSharded) await this.#cluster.sUnsubscribe([channel], this.#listener);
    else await this.#cluster.unsubscribe([channel], this.#listener);
  }

  useShardedChannels(): void {
    this.#isSharded = true;
  }

  assertUnmoved(): Promise<void> {
    const { slots } = this.#cluster;
    const haveMoved = this.#owners.some((owner, i) => slots[i]?.master.id !== owner);
    return haveMoved ? Promise.reject(new Error("The slots of the Redis Cluster have moved.")) : Promise.resolve();
  }

  close(): void {
    this.#isClosed = true;
    destroy(this.#cluster);
  }
}

import { CometError } from "../../core/errors.ts";
import { connectOrDestroy, destroy, type RedisAddress, type RedisClient, type RedisListener } from "./redis-client.ts";
import type { RedisSentinelSettings } from "./redis-sentinel-options.ts";
import { brokerError, fieldsOf } from "./replies.ts";
import { createCopy, SentinelWatch, textOfAddress } from "./sentinel-watch.ts";

/**
 * A client of the master that the sentinels name when it connects. It stays with that server, and emits `error` when the connection breaks
 * or a sentinel names another master. It never moves: the broker makes a new copy, and checks whether messages are lost.
 */
export class SentinelClient implements RedisClient {
  readonly #settings: RedisSentinelSettings;
  readonly #watch: SentinelWatch;
  readonly #listeners: ((error?: unknown) => void)[] = [];
  #master: RedisClient | undefined;
  #isClosed = false;

  constructor(settings: RedisSentinelSettings) {
    this.#settings = settings;
    this.#watch = new SentinelWatch(settings, (error) => this.#emit(error));
  }

  duplicate(): RedisClient {
    return new SentinelClient(this.#settings);
  }

  on(event: "error" | "end", listener: (error?: unknown) => void): void {
    if (event === "error") this.#listeners.push(listener);
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  async connect(): Promise<void> {
    const address = await this.#watch.find();
    const reach = `reach the master ${this.#settings.name} at ${textOfAddress(address)}`;
    let isConnected = false;
    const fail = (error: unknown = new CometError("ERR_BROKER", "The connection to Redis has ended.")): void =>
      this.#emit(isConnected ? error : brokerError(reach, error));
    const master = this.#create(address);
    master.on("error", fail);
    master.on("end", fail);
    let role: string | undefined;
    try {
      await connectOrDestroy(master, this);
      ({ role } = fieldsOf(await master.sendCommand(["HELLO"])));
    } catch (error) {
      throw brokerError(reach, error);
    }
    // A sentinel may be behind, and a server may be the master only in a moment.
    if (role !== "master") {
      throw new CometError("ERR_BROKER", `Redis did not ${reach}: the server is a ${role ?? "server"} at present.`);
    }
    isConnected = true;
  }

  sendCommand(args: string[]): Promise<unknown> {
    return this.#connected().sendCommand(args);
  }

  subscribe(channels: string[], listener: RedisListener): Promise<unknown> {
    return this.#connected().subscribe(channels, listener);
  }

  unsubscribe(channels: string[], listener: RedisListener): Promise<unknown> {
    return this.#connected().unsubscribe(channels, listener);
  }

  destroy(): void {
    this.#isClosed = true;
    this.#watch.close();
    if (this.#master !== undefined) destroy(this.#master);
  }

  #create(address: RedisAddress): RedisClient {
    if (this.#isClosed) throw new CometError("ERR_BROKER", "The connection to Redis is closed.");
    return (this.#master = createCopy("sentinel.createClient", this.#settings.createClient, address));
  }

  #connected(): RedisClient {
    if (this.#master === undefined) throw new CometError("ERR_BROKER", "The connection to Redis is closed.");
    return this.#master;
  }

  #emit(error: unknown): void {
    if (this.#isClosed) return;
    for (const listener of this.#listeners) listener(error);
  }
}

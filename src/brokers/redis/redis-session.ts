import { CometError, type CometErrorCode } from "../../core/errors.ts";
import { randomName } from "../../core/random-name.ts";
import { afterTurn } from "../../core/turn.ts";
import { Heartbeat } from "./heartbeat.ts";
import { Pending } from "./pending.ts";
import type { RedisSettings } from "./redis-broker-options.ts";
import { isClusterClient } from "./redis-client.ts";
import type { RedisKeys } from "./redis-keys.ts";
import { createLink, type RedisLink } from "./redis-link.ts";
import { brokerError, isDemoted, isWrongType, textOf } from "./replies.ts";
import { ScriptRunner, type RedisScript } from "./script-runner.ts";
import { broadcastScript, markScript, publishScript, readScript, renewScript } from "./scripts.ts";

/** The version of the layout of all keys. Servers keep it, so a change of the layout needs another version. */
const LAYOUT = "1";
/** The oldest supported version of Redis. */
const OLDEST = [6, 2] as const;
/** Channels of one command to subscribe. */
const SUBSCRIBE_BATCH = 500;

/** The scripts that the server has loaded. */
interface RedisScripts {
  readonly publish: RedisScript;
  readonly read: RedisScript;
  readonly renew: RedisScript;
  readonly broadcast: RedisScript;
}

/**
 * One life of the broker's connections: connected, checked, subscribed and probed by a heartbeat, until the first failure ends it. Each
 * call is answered within its time limit, and at the end of the session at the latest. A session does not reconnect; the broker opens
 * another.
 */
export class RedisSession {
  readonly #link: RedisLink;
  readonly #keys: RedisKeys;
  readonly #settings: RedisSettings;
  readonly #onMessage: (channel: string, text: string) => void;
  readonly #onEnd: (error: unknown) => void;
  readonly #runner: ScriptRunner;
  readonly #pending = new Pending();
  readonly #id: string = randomName(16);
  #scripts: RedisScripts | undefined;
  #heartbeat: Heartbeat | undefined;
  #isOver = false;
  #rejectStart: ((error: unknown) => void) | undefined;

  private constructor(
    settings: RedisSettings,
    keys: RedisKeys,
    onMessage: (channel: string, text: string) => void,
    onEnd: (error: unknown) => void,
  ) {
    this.#settings = settings;
    this.#keys = keys;
    this.#onMessage = onMessage;
    this.#onEnd = onEnd;
    this.#link = createLink(
      settings.client,
      (channel, text) => this.#receive(channel, text),
      (error) => this.#fail(error),
    );
    this.#runner = new ScriptRunner(this.#link);
  }

  /**
   * Connects, and checks the server, the prefix and the permissions.
   *
   * @param channels The channels to subscribe to before it resolves.
   * @param onEnd Called once, when an open session has failed. Not after `close`.
   * @throws {CometError} `ERR_BROKER`, `ERR_BROKER_CONFIG`.
   */
  static async open(
    settings: RedisSettings,
    keys: RedisKeys,
    channels: readonly string[],
    onMessage: (channel: string, text: string) => void,
    onEnd: (error: unknown) => void,
  ): Promise<RedisSession> {
    const session = new RedisSession(settings, keys, onMessage, onEnd);
    try {
      await session.#start(channels);
      return session;
    } catch (error) {
      session.close();
      throw brokerError("connect", error);
    }
  }

  /** The loaded scripts. Only for an open session. */
  get scripts(): RedisScripts {
    return this.#scripts as RedisScripts;
  }

  get publishCommand(): string {
    return this.#link.publishCommand;
  }

  /**
   * Runs a script.
   *
   * @param code The code of the error if the reply does not come within `timeoutMs`, or the session ends before. @default "ERR_BROKER"
   */
  async run(
    script: RedisScript,
    keys: readonly string[],
    args: readonly string[],
    code?: CometErrorCode,
  ): Promise<unknown> {
    try {
      const reply = await this.#within(this.#runner.run(script, keys, args), code);
      this.#heartbeat?.replyReceived();
      return reply;
    } catch (error) {
      // Only a new connection leads to the present master.
      if (isDemoted(error)) this.#fail(error);
      throw error;
    }
  }

  /** Sends a command to the server that has the key. */
  send(key: string, args: string[]): Promise<unknown> {
    return this.#within(this.#link.send(key, args));
  }

  /** Publishes a text to a channel. */
  broadcast(channel: string, text: string): Promise<unknown> {
    return this.run(this.scripts.broadcast, [channel], [this.publishCommand, text]);
  }

  /** Subscribes to channels in batches. `timeoutMs` applies to each batch. */
  async subscribe(channels: readonly string[]): Promise<void> {
    for (let i = 0; i < channels.length; i += SUBSCRIBE_BATCH) {
      await this.#within(this.#link.subscribe(channels.slice(i, i + SUBSCRIBE_BATCH)));
    }
  }

  unsubscribe(channel: string): Promise<void> {
    return this.#link.unsubscribe(channel);
  }

  /** Ends the session and its connections. Pending calls are rejected. */
  close(): void {
    this.#isOver = true;
    this.#heartbeat?.stop();
    this.#link.close();
    // The client's own errors of pending commands come first: they may be more exact.
    afterTurn(() => this.#pending.end("The connection to Redis is closed."));
  }

  #within<T>(reply: Promise<T>, code?: CometErrorCode): Promise<T> {
    return this.#pending.within(reply, this.#settings.timeoutMs, code);
  }

  async #start(channels: readonly string[]): Promise<void> {
    const failure = new Promise<never>((_, reject) => {
      this.#rejectStart = reject;
    });
    await this.#pending.within(Promise.race([this.#prepare(), failure]), this.#settings.connectTimeoutMs);
    await Promise.race([this.subscribe([this.#keys.signals, ...channels]), failure]);
    this.#rejectStart = undefined;
  }

  async #prepare(): Promise<void> {
    await this.#link.connect();
    await this.#checkServer();
    this.#scripts = {
      publish: await this.#runner.load(publishScript),
      read: await this.#runner.load(readScript),
      renew: await this.#runner.load(renewScript),
      broadcast: await this.#runner.load(broadcastScript),
    };
    await this.#checkMark();
    await this.#rehearse();
    const channels = this.#link.hashTags.map((tag) => this.#keys.beat(tag, this.#id));
    await this.#link.subscribe(channels);
    await Promise.all(channels.map((channel) => this.#beat(channel)));
    this.#heartbeat = new Heartbeat(
      channels,
      this.#settings.heartbeatMs,
      (channel) => this.#beat(channel),
      (error) => this.#fail(error),
    );
  }

  /** Checks that the server is new enough, of the client's kind, and writable. */
  async #checkServer(): Promise<void> {
    const { server, version, mode, role } = fieldsOf(await this.#link.sendToAny(["HELLO"]));
    const [major = 0, minor = 0] = (version ?? "").split(".").map(Number);
    if (major < OLDEST[0] || (major === OLDEST[0] && minor < OLDEST[1])) {
      throw configError(
        `This is ${server ?? "a server"} ${version ?? "of no version"}: it must be Redis 6.2 or newer, or Valkey.`,
      );
    }
    if (mode === "cluster" && !isClusterClient(this.#settings.client)) {
      throw configError(
        "This is a server of a Redis Cluster: make the client by createCluster, and not by createClient.",
      );
    }
    if (role === "replica" || role === "slave") {
      throw configError("This is a replica, which cannot be written to: connect to its master.");
    }
    if (mode === "cluster" && major >= 7) this.#link.useShardedChannels();
  }

  async #checkMark(): Promise<void> {
    const { mark } = this.#keys;
    let version: string;
    try {
      version = textOf(await this.#link.send(mark, ["EVAL", markScript, "1", mark, LAYOUT]));
    } catch (error) {
      if (isWrongType(error)) throw foreignKey(mark, error);
      throw error;
    }
    if (version === "") throw foreignKey(mark, undefined);
    if (version === LAYOUT) return;
    throw configError(
      `The data under the prefix ${mark} are of another version of comet-sockets (${version}, not ${LAYOUT}): use another prefix.`,
    );
  }

  /** Publishes a message without subscribers, which expires soon: a missing permission shows now. */
  async #rehearse(): Promise<void> {
    const { log, meta, channel } = this.#keys.topic(`rehearsal ${this.#id}`);
    const args = [randomName(16), "0", "{}", "1", "1", "1024", "1000", "1000", this.publishCommand];
    await this.#runner.run(this.scripts.publish, [log, meta, channel], args);
  }

  #beat(channel: string): Promise<unknown> {
    // After slots have moved, messages may have been published where the link is not subscribed.
    if (this.#link.haveSlotsMoved()) return Promise.reject(new Error("The slots of the Redis Cluster have moved."));
    return this.#runner.run(this.scripts.broadcast, [channel], [this.publishCommand, ""]);
  }

  #receive(channel: string, text: string): void {
    this.#heartbeat?.messageReceived(channel);
    this.#onMessage(channel, text);
  }

  #fail(error: unknown): void {
    if (this.#isOver) return;
    const rejectStart = this.#rejectStart;
    this.close();
    if (rejectStart === undefined) this.#onEnd(error);
    else rejectStart(error);
  }
}

function configError(message: string): CometError {
  return new CometError("ERR_BROKER_CONFIG", message);
}

function foreignKey(key: string, cause: unknown): CometError {
  return new CometError("ERR_BROKER_CONFIG", `The key ${key} does not belong to comet-sockets: set another prefix.`, {
    cause,
  });
}

/** The fields of a map, which RESP 2 returns as a list. */
function fieldsOf(reply: unknown): Partial<Record<string, string>> {
  if (!Array.isArray(reply)) {
    const entries = reply instanceof Map ? [...reply] : Object.entries(reply ?? {});
    return Object.fromEntries(entries.map(([name, value]) => [textOf(name), textOf(value)]));
  }
  const fields: Record<string, string> = {};
  for (let i = 0; i < reply.length; i += 2) fields[textOf(reply[i])] = textOf(reply[i + 1]);
  return fields;
}

import { CometError, type CometErrorCode } from "../../core/errors.ts";
import { randomName } from "../../core/random-name.ts";
import { unrefTimeout } from "../../core/timers.ts";
import { afterTurn } from "../../core/turn.ts";
import { checkMark, checkPermissions, checkServer } from "./check-server.ts";
import { acquireScript, deleteScript, renewLeaseScript } from "./finite-scripts.ts";
import { Heartbeat } from "./heartbeat.ts";
import { Pending } from "./pending.ts";
import type { RedisKeys } from "./redis-keys.ts";
import { createLink, type RedisLink } from "./redis-link.ts";
import type { RedisSettings } from "./redis-settings.ts";
import { brokerError, isDemoted } from "./replies.ts";
import { ScriptRunner, type RedisScript } from "./script-runner.ts";
import { broadcastScript, keepScript, publishScript, readScript, renewScript } from "./scripts.ts";

/** Channels of one command to subscribe. */
const SUBSCRIBE_BATCH = 500;

export type RedisScriptName = "publish" | "read" | "renew" | "keep" | "acquire" | "renewLease" | "delete" | "broadcast";

/** The sources of the scripts that the server loads. */
const sources: Readonly<Record<RedisScriptName, string>> = {
  publish: publishScript,
  read: readScript,
  renew: renewScript,
  keep: keepScript,
  acquire: acquireScript,
  renewLease: renewLeaseScript,
  delete: deleteScript,
  broadcast: broadcastScript,
};

/** The scripts that the server has loaded. */
type RedisScripts = Readonly<Record<RedisScriptName, RedisScript>>;

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
  /** The channels whose first beat has not been received. */
  #unheard: Set<string> | undefined;
  #onHeard = (): void => undefined;
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
      const reply = await this.within(this.#runner.run(script, keys, args), code);
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
    return this.within(this.#link.send(key, args));
  }

  /** Publishes a text to a channel. */
  broadcast(channel: string, text: string): Promise<unknown> {
    return this.run(this.scripts.broadcast, [channel], [this.publishCommand, text]);
  }

  /** Subscribes to channels in batches. `timeoutMs` applies to each batch. */
  async subscribe(channels: readonly string[]): Promise<void> {
    for (let i = 0; i < channels.length; i += SUBSCRIBE_BATCH) {
      await this.within(this.#link.subscribe(channels.slice(i, i + SUBSCRIBE_BATCH)));
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

  /** Settles as the reply does, or rejects after `timeoutMs`. */
  within<T>(reply: Promise<T>, code?: CometErrorCode): Promise<T> {
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
    await checkServer(this.#link, this.#settings.client);
    const scripts = await Promise.all(
      Object.entries(sources).map(async ([name, source]) => [name, await this.#runner.load(source)] as const),
    );
    this.#scripts = Object.fromEntries(scripts) as RedisScripts;
    const trial = this.#keys.topic(`rehearsal ${this.#id}`);
    await checkPermissions(this.#link, trial, this.#keys.messageId(`rehearsal ${this.#id}`, "0"));
    await checkMark(this.#link, this.#keys.mark);
    await this.#link.subscribe([trial.channel]);
    await this.#link.unsubscribe(trial.channel);
    const channels = this.#link.hashTags.map((tag) => this.#keys.beat(tag, this.#id));
    await this.#hearBeats(channels);
    this.#heartbeat = new Heartbeat(
      channels,
      this.#settings.heartbeatMs,
      (channel) => this.#beat(channel),
      (error) => this.#fail(error),
    );
  }

  /** Publishes the first beats, and waits until they are received: both connections must lead to the same names on the same server. */
  async #hearBeats(channels: readonly string[]): Promise<void> {
    const unheard = (this.#unheard = new Set(channels));
    const heard = new Promise<void>((resolve) => (this.#onHeard = resolve));
    await this.#link.subscribe(channels);
    const receivers = await Promise.all(channels.map((channel) => this.#beat(channel)));
    if (unheard.size === 0) return;
    const error = receivers.some((count) => Number(count) > 0) ? undefined : unheardError(channels[0] ?? "");
    await Promise.race([heard, rejectAfter(this.#settings.heartbeatMs, error)]);
  }

  /** Returns the number of receivers, as far as the server knows them. */
  async #beat(channel: string): Promise<unknown> {
    const receivers = this.#runner.run(this.scripts.broadcast, [channel], [this.publishCommand, ""]);
    // After a move, messages may have been published where the link is not subscribed.
    await Promise.all([this.#link.assertUnmoved(), receivers]);
    return receivers;
  }

  #receive(channel: string, text: string): void {
    this.#heartbeat?.messageReceived(channel);
    if (this.#unheard?.delete(channel) === true && this.#unheard.size === 0) this.#onHeard();
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

function unheardError(channel: string): CometError {
  return new CometError(
    "ERR_BROKER_CONFIG",
    `Redis published to the channel ${channel}, but the broker's subscription did not receive it: the client changes names, as ` +
      "ioredis does with keyPrefix, or its connections lead to different servers. Use the option prefix of redisBroker instead.",
  );
}

/** Rejects with an error after some time; never if there is none. */
function rejectAfter(ms: number, error: CometError | undefined): Promise<never> {
  return new Promise((_, reject) => {
    if (error !== undefined) unrefTimeout(() => reject(error), ms);
  });
}

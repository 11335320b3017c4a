import { CometError, type CometErrorCode } from "../../core/errors.ts";
import { randomName } from "../../core/random-name.ts";
import { unrefInterval, type Timer } from "../../core/timers.ts";
import type { Broker, BrokerHost, BrokerPublication, History, Notice, TopicBounds } from "../../log/broker.ts";
import type { Position } from "../../log/position.ts";
import { Reconnection } from "../reconnection.ts";
import { checkClient } from "./check-client.ts";
import { describeRepair, historyOf, writeAnswerOf, type WriteAnswer } from "./message-codec.ts";
import { RedisFinite, refusalOf } from "./redis-finite.ts";
import { RedisKeys } from "./redis-keys.ts";
import { RedisSession, type RedisScriptName } from "./redis-session.ts";
import type { RedisSettings } from "./redis-settings.ts";
import { RedisSubscriptions } from "./redis-subscriptions.ts";
import { brokerError, isWrongType, writeError } from "./replies.ts";
import { boundsArgs, publishArgs, type PublishKind } from "./script-args.ts";
import { wrongTypeError } from "./wrong-type-error.ts";

/** The size of one answer to `read`, approximately. */
const ANSWER_ENTRIES = 1000;
const ANSWER_BYTES = 1_048_576;
/** The bytes of a pending message besides its data, approximately. */
const ENVELOPE_BYTES = 512;
/** The longest interval at which the time to live of topics is extended, in milliseconds: an hour. */
const MAX_KEEP_MS = 3_600_000;

/**
 * The broker on Redis: a stream for each topic. A script adds each message to the stream, and publishes it to a channel. There is at
 * most one session at a time. When it ends, calls reject at once until another session has subscribed to all topics with listeners;
 * only then is the hub notified with `restored`, since it reads what it missed from that moment on.
 */
export class RedisBroker implements Broker {
  readonly name = "redis";
  readonly isDense = true;
  readonly finite: RedisFinite = new RedisFinite(
    (topic, script, args, action) => this.#write(topic, script, this.#stored(topic), args, action),
    (topic, end, bounds) => this.#append(topic, end, bounds, "settle"),
  );
  readonly #settings: RedisSettings;
  readonly #topicTtl: string;
  readonly #keys: RedisKeys;
  readonly #subscriptions = new RedisSubscriptions((topic, what) => this.#reportIgnored(topic, what));
  readonly #reconnection: Reconnection;
  #session: RedisSession | undefined;
  #pendingBytes = 0;
  #keeper: Timer | undefined;

  /** The beginning of the names of this broker's epochs, and the number of names so far. */
  readonly #id: string = randomName(16);
  #epochs = 0;

  private constructor(settings: RedisSettings) {
    this.#settings = settings;
    this.#topicTtl = String(settings.topicTtlMs);
    this.#keys = new RedisKeys(settings.prefix);
    this.#reconnection = new Reconnection({
      maxRetryMs: settings.maxRetryMs,
      connect: () => this.#connect(),
      isConnected: () => this.#session !== undefined,
      lossOf: (error) => brokerError("stay connected", error),
    });
  }

  /** @throws {CometError} `ERR_BROKER`, `ERR_BROKER_CONFIG`. */
  static async open(settings: RedisSettings): Promise<RedisBroker> {
    const broker = new RedisBroker(settings);
    await broker.#connect();
    try {
      await checkClient(settings.client, broker.#openSession());
    } catch (error) {
      await broker.close();
      throw brokerError("connect", error);
    }
    const keep = (topic: string): Promise<unknown> => broker.#run("keep", broker.#stored(topic), []);
    const keepMs = Math.min(settings.topicTtlMs / 4, MAX_KEEP_MS);
    broker.#keeper = unrefInterval(() => void broker.#subscriptions.keep(keep), keepMs);
    return broker;
  }

  attach(host: BrokerHost): void {
    this.#reconnection.attach(host);
  }

  async publish(topic: string, message: BrokerPublication, bounds: TopicBounds): Promise<Position> {
    const { position, word } = await this.#append(topic, message, bounds, message.ended === undefined ? "" : "end");
    if (position === undefined) throw refusalOf(topic, word);
    return position;
  }

  async read(topic: string, after: number, bounds: TopicBounds): Promise<History> {
    const args = [String(after), ...boundsArgs(bounds), String(ANSWER_ENTRIES), String(ANSWER_BYTES)];
    try {
      const { history, misplaced, repair } = historyOf(await this.#run("read", this.#stored(topic), args));
      this.#reportIgnored(topic, describeRepair(repair));
      for (const id of misplaced) this.#reportIgnored(topic, `the entry ${id} of its log has an id that is no offset`);
      this.#subscriptions.noteHead(this.#keys.topic(topic).channel, history.epoch, history.head);
      return history;
    } catch (error) {
      throw brokerError("read", error);
    }
  }

  async listen(topic: string, listener: (notice: Notice) => void): Promise<void> {
    const session = this.#openSession();
    const { channel } = this.#keys.topic(topic);
    const subscription = this.#subscriptions.add(channel, topic, listener);
    try {
      await session.subscribe([channel]);
    } catch (error) {
      if (this.#subscriptions.get(channel) === subscription) this.#unsubscribe(channel);
      throw brokerError("subscribe", error);
    }
  }

  unlisten(topic: string): void {
    this.#unsubscribe(this.#keys.topic(topic).channel);
  }

  async renew(topic: string, epoch: string): Promise<void> {
    try {
      await this.#run("renew", this.#stored(topic), [epoch]);
    } catch (error) {
      throw brokerError("begin another epoch", error);
    }
  }

  signal(text: string): void {
    // A signal may be lost. If the connection is broken, the heartbeat detects it.
    this.#session?.broadcast(this.#keys.signals, text).catch(() => undefined);
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- connections are destroyed, which nothing can await
  async close(): Promise<void> {
    this.#reconnection.close();
    this.#subscriptions.clear();
    clearInterval(this.#keeper);
    this.#session?.close();
    this.#session = undefined;
  }

  /** Adds an entry to a topic, or as `settle` does. */
  async #append(
    topic: string,
    message: BrokerPublication,
    bounds: TopicBounds,
    kind: PublishKind,
  ): Promise<WriteAnswer> {
    const { publishCommand } = this.#openSession();
    const bytes = message.bytes + (message.ended?.length ?? 0) + ENVELOPE_BYTES;
    if (this.#pendingBytes > 0 && this.#pendingBytes + bytes > this.#settings.maxPendingBytes) {
      throw new CometError("ERR_BROKER", `Redis is slow: ${this.#pendingBytes} bytes of messages await its answer.`);
    }
    const keys = [...this.#stored(topic), this.#keys.topic(topic).channel];
    if (message.messageId !== undefined) keys.push(this.#keys.messageId(topic, message.messageId));
    this.#pendingBytes += bytes;
    try {
      return await this.#write(topic, "publish", keys, publishArgs(message, bounds, publishCommand, kind), "publish");
    } finally {
      this.#pendingBytes -= bytes;
    }
  }

  /** Runs a script that changes a topic. `action` names it in errors. */
  async #write(
    topic: string,
    script: RedisScriptName,
    keys: readonly string[],
    args: readonly string[],
    action: string,
  ): Promise<WriteAnswer> {
    try {
      const answer = writeAnswerOf(await this.#run(script, keys, args, "ERR_UNACKNOWLEDGED"));
      this.#reportIgnored(topic, describeRepair(answer.repair));
      return answer;
    } catch (error) {
      throw writeError(action, error);
    }
  }

  /** Runs a script on a topic, with the arguments that all of them have. */
  async #run(
    script: RedisScriptName,
    keys: readonly string[],
    args: readonly string[],
    code?: CometErrorCode,
  ): Promise<unknown> {
    const session = this.#openSession();
    try {
      return await session.run(session.scripts[script], keys, [this.#nextEpoch(), this.#topicTtl, ...args], code);
    } catch (error) {
      if (isWrongType(error)) throw await wrongTypeError((...command) => session.send(...command), keys, error);
      throw error;
    }
  }

  /** The keys that all scripts on a topic have. */
  #stored(topic: string): string[] {
    const { log, meta } = this.#keys.topic(topic);
    return [log, meta];
  }

  /** The name of an epoch that has never been, in case the topic needs one. */
  #nextEpoch(): string {
    this.#epochs += 1;
    return this.#id + this.#epochs.toString(36);
  }

  #openSession(): RedisSession {
    if (this.#reconnection.isClosed) throw new CometError("ERR_CLOSED", "The broker is closed.");
    if (this.#session !== undefined) return this.#session;
    throw new CometError("ERR_BROKER", "There is no connection to Redis.", { cause: this.#reconnection.lastError });
  }

  async #connect(): Promise<void> {
    let end: { readonly error: unknown } | undefined;
    const { channels } = this.#subscriptions;
    const session = await RedisSession.open(
      this.#settings,
      this.#keys,
      channels,
      (channel, text) => this.#receive(channel, text),
      (error) => {
        end = { error };
        if (this.#session === session) this.#lose(error);
      },
    );
    if (this.#reconnection.isClosed) {
      session.close();
      return;
    }
    if (end !== undefined) throw brokerError("connect", end.error);
    this.#session = session;
    for (const channel of channels) {
      if (this.#subscriptions.get(channel) === undefined) this.#unsubscribe(channel);
    }
  }

  #lose(error: unknown): void {
    this.#session = undefined;
    this.#reconnection.lose(error);
  }

  #receive(channel: string, text: string): void {
    const subscription = this.#subscriptions.get(channel);
    if (subscription !== undefined) this.#subscriptions.receive(subscription, text);
    else if (channel === this.#keys.signals) this.#reconnection.host?.signalled(text);
  }

  #reportIgnored(topic: string, what: string | undefined): void {
    if (what === undefined) return;
    const message = `Another program has written to the topic ${JSON.stringify(topic)} in Redis: ${what}.`;
    this.#reconnection.host?.ignored(new CometError("ERR_MESSAGE", message));
  }

  #unsubscribe(channel: string): void {
    this.#subscriptions.delete(channel);
    // If it fails, the session ends soon, and the next one does not subscribe to the channel.
    this.#session?.unsubscribe(channel).catch(() => undefined);
  }
}

import { Backoff } from "../../core/backoff.ts";
import { CometError } from "../../core/errors.ts";
import { randomName } from "../../core/random-name.ts";
import { unrefInterval, unrefTimeout, type Timer } from "../../core/timers.ts";
import type { Broker, BrokerHost, BrokerPublication, History, Notice } from "../../log/broker.ts";
import type { LogBounds } from "../../log/entry.ts";
import type { Position } from "../../log/position.ts";
import { FIRST_RETRY_MS } from "../network-broker-options.ts";
import { checkClient } from "./check-client.ts";
import { describeRepair, encodeFields, historyOf, noticeOf, positionOf } from "./message-codec.ts";
import type { RedisSettings } from "./redis-broker-options.ts";
import { RedisKeys } from "./redis-keys.ts";
import { RedisSession } from "./redis-session.ts";
import { brokerError, isWrongType, publishError } from "./replies.ts";
import { wrongTypeError } from "./wrong-type-error.ts";

/** The size of one answer to `read`, approximately. */
const ANSWER_ENTRIES = 1000;
const ANSWER_BYTES = 1_048_576;
/** The bytes of a pending message besides its data, approximately. */
const ENVELOPE_BYTES = 512;
/** Topics whose time to live is extended at a time. */
const KEEP_BATCH = 100;
/** The longest interval at which the time to live of topics is extended, in milliseconds: an hour. */
const MAX_KEEP_MS = 3_600_000;

/** A topic with a listener in this process, and the last notice that it was called with. */
interface RedisSubscription {
  readonly topic: string;
  readonly meta: string;
  readonly listener: (notice: Notice) => void;
  epoch: string;
  offset: number;
}

/**
 * The broker on Redis: a stream for each topic. A script adds each message to the stream, and publishes it to a channel. There is at
 * most one session at a time. When it ends, calls reject at once until another session has subscribed to all topics with listeners;
 * only then is the hub notified with `restored`, since it reads what it missed from that moment on.
 */
export class RedisBroker implements Broker {
  readonly name = "redis";
  readonly isDense = true;
  readonly #settings: RedisSettings;
  readonly #keys: RedisKeys;
  /** By channel. */
  readonly #subscriptions = new Map<string, RedisSubscription>();
  readonly #backoff: Backoff;
  #session: RedisSession | undefined;
  #host: BrokerHost | undefined;
  #lastError: unknown;
  #isLossNotified = false;
  #isClosed = false;
  #pendingBytes = 0;
  #retry: Timer | undefined;
  #keeper: Timer | undefined;

  /** The beginning of the names of this broker's epochs, and the number of names so far. */
  readonly #id: string = randomName(16);
  #epochs = 0;

  private constructor(settings: RedisSettings) {
    this.#settings = settings;
    this.#keys = new RedisKeys(settings.prefix);
    this.#backoff = new Backoff({ firstMs: FIRST_RETRY_MS, maxMs: settings.maxRetryMs });
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
    broker.#keeper = unrefInterval(() => void broker.#keepTopics(), Math.min(settings.topicTtlMs / 4, MAX_KEEP_MS));
    return broker;
  }

  attach(host: BrokerHost): void {
    this.#host = host;
    if (this.#session !== undefined || this.#isClosed) return;
    // The connection was lost before there was a host. A broker calls its host from a turn of its own.
    void Promise.resolve().then(() => {
      if (this.#session === undefined) this.#notifyLost();
    });
  }

  async publish(topic: string, message: BrokerPublication, bounds: LogBounds): Promise<Position> {
    const session = this.#openSession();
    const bytes = message.bytes + ENVELOPE_BYTES;
    if (this.#pendingBytes > 0 && this.#pendingBytes + bytes > this.#settings.maxPendingBytes) {
      throw new CometError("ERR_BROKER", `Redis is slow: ${this.#pendingBytes} bytes of messages await its answer.`);
    }
    const { log, meta, channel } = this.#keys.topic(topic);
    const keys = [log, meta, channel];
    if (message.messageId !== undefined) keys.push(this.#keys.messageId(topic, message.messageId));
    const args = [
      ...[this.#nextEpoch(), message.json, encodeFields(message), message.bytes, bounds.maxEntries, bounds.maxBytes],
      ...[bounds.maxAgeMs, this.#settings.topicTtlMs, session.publishCommand],
    ].map(String);
    this.#pendingBytes += bytes;
    try {
      const reply = await session.run(session.scripts.publish, keys, args, "ERR_UNACKNOWLEDGED");
      const { epoch, offset, repair } = positionOf(reply);
      this.#reportIgnored(topic, describeRepair(repair));
      return { epoch, offset };
    } catch (error) {
      if (isWrongType(error)) throw await wrongTypeError((...args) => session.send(...args), keys, error);
      throw publishError(error);
    } finally {
      this.#pendingBytes -= bytes;
    }
  }

  async read(topic: string, after: number, bounds: LogBounds): Promise<History> {
    const session = this.#openSession();
    const { log, meta } = this.#keys.topic(topic);
    const args = [
      ...[this.#nextEpoch(), after, bounds.maxEntries, bounds.maxBytes, bounds.maxAgeMs, this.#settings.topicTtlMs],
      ...[ANSWER_ENTRIES, ANSWER_BYTES],
    ].map(String);
    try {
      const { history, misplaced, repair } = historyOf(await session.run(session.scripts.read, [log, meta], args));
      this.#reportIgnored(topic, describeRepair(repair));
      for (const id of misplaced) this.#reportIgnored(topic, `the entry ${id} of its log has an id that is no offset`);
      this.#noteHead(this.#keys.topic(topic).channel, history);
      return history;
    } catch (error) {
      if (isWrongType(error)) throw await wrongTypeError((...args) => session.send(...args), [log, meta], error);
      throw brokerError("read", error);
    }
  }

  async listen(topic: string, listener: (notice: Notice) => void): Promise<void> {
    const session = this.#openSession();
    const { channel, meta } = this.#keys.topic(topic);
    const subscription: RedisSubscription = { topic, meta, listener, epoch: "", offset: 0 };
    this.#subscriptions.set(channel, subscription);
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
    const session = this.#openSession();
    const { log, meta } = this.#keys.topic(topic);
    const args = [epoch, this.#nextEpoch(), String(this.#settings.topicTtlMs)];
    try {
      await session.run(session.scripts.renew, [log, meta], args);
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
    this.#isClosed = true;
    this.#host = undefined;
    this.#subscriptions.clear();
    clearInterval(this.#keeper);
    clearTimeout(this.#retry);
    this.#session?.close();
    this.#session = undefined;
  }

  /** The name of an epoch that has never been, in case the topic needs one. */
  #nextEpoch(): string {
    this.#epochs += 1;
    return this.#id + this.#epochs.toString(36);
  }

  #openSession(): RedisSession {
    if (this.#isClosed) throw new CometError("ERR_CLOSED", "The broker is closed.");
    if (this.#session !== undefined) return this.#session;
    throw new CometError("ERR_BROKER", "There is no connection to Redis.", { cause: this.#lastError });
  }

  async #connect(): Promise<void> {
    let end: { readonly error: unknown } | undefined;
    const channels = [...this.#subscriptions.keys()];
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
    if (this.#isClosed) {
      session.close();
      return;
    }
    if (end !== undefined) throw brokerError("connect", end.error);
    this.#session = session;
    this.#backoff.reset();
    for (const channel of channels) if (!this.#subscriptions.has(channel)) this.#unsubscribe(channel);
  }

  #lose(error: unknown): void {
    this.#session = undefined;
    this.#lastError = error;
    this.#reconnectLater();
    this.#notifyLost();
  }

  #reconnectLater(): void {
    if (!this.#isClosed) this.#retry = unrefTimeout(() => void this.#reconnect(), this.#backoff.next());
  }

  async #reconnect(): Promise<void> {
    try {
      await this.#connect();
    } catch (error) {
      this.#lastError = error;
      this.#reconnectLater();
      return;
    }
    this.#notifyRestored();
  }

  #notifyLost(): void {
    if (this.#isLossNotified || this.#host === undefined) return;
    this.#isLossNotified = true;
    this.#host.lost(brokerError("stay connected", this.#lastError));
  }

  #notifyRestored(): void {
    if (!this.#isLossNotified || this.#session === undefined) return;
    this.#isLossNotified = false;
    this.#host?.restored();
  }

  #receive(channel: string, text: string): void {
    const subscription = this.#subscriptions.get(channel);
    if (subscription === undefined) {
      if (channel === this.#keys.signals) this.#host?.signalled(text);
      return;
    }
    const notice = noticeOf(text);
    if (notice === undefined) {
      this.#reportIgnored(subscription.topic, "a notice has no position");
      return;
    }
    const { epoch, message } = notice;
    if (epoch === subscription.epoch && message.offset <= subscription.offset) return;
    if (message.fault === undefined) {
      subscription.epoch = epoch;
      subscription.offset = message.offset;
    }
    subscription.listener(notice);
  }

  /** Corrects the offset of the last notice if no such message is stored: another program has published the notice. */
  #noteHead(channel: string, { epoch, head }: History): void {
    const subscription = this.#subscriptions.get(channel);
    if (subscription?.epoch === epoch) subscription.offset = Math.min(subscription.offset, head);
  }

  #reportIgnored(topic: string, what: string | undefined): void {
    if (what === undefined) return;
    const message = `Another program has written to the topic ${JSON.stringify(topic)} in Redis: ${what}.`;
    this.#host?.ignored(new CometError("ERR_MESSAGE", message));
  }

  #unsubscribe(channel: string): void {
    this.#subscriptions.delete(channel);
    // If it fails, the session ends soon, and the next one does not subscribe to the channel.
    this.#session?.unsubscribe(channel).catch(() => undefined);
  }

  /** Extends the time to live of the epochs and offsets of all topics with listeners. */
  async #keepTopics(): Promise<void> {
    const ms = String(Math.ceil(this.#settings.topicTtlMs * 1.25));
    const metas = Array.from(this.#subscriptions.values(), ({ meta }) => meta);
    for (let i = 0; i < metas.length; i += KEEP_BATCH) {
      const session = this.#session;
      if (session === undefined) return;
      const kept = metas.slice(i, i + KEEP_BATCH).map((meta) => session.send(meta, ["PEXPIRE", meta, ms]));
      await Promise.allSettled(kept);
    }
  }
}

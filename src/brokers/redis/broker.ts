import { CometError } from "../../core/errors.ts";
import { randomName } from "../../core/random-name.ts";
import type { Broker, BrokerHost, BrokerPublication, History, Notice } from "../../log/broker.ts";
import type { LogBounds } from "../../log/entry.ts";
import type { Position } from "../../log/position.ts";
import { Keys } from "./keys.ts";
import type { Settings } from "./options.ts";
import { aboutOf, brokerError, historyOf, isWrongType, noticeOf, positionOf, publishError, textOf } from "./replies.ts";
import { Session } from "./session.ts";

/** How much one answer to `read` holds, at most about. */
const ANSWER_ENTRIES = 1000;
const ANSWER_BYTES = 1_048_576;
/** What a message takes on its way besides its data. */
const ENVELOPE_BYTES = 512;
/** The longest wait before the first attempt to come back, and before any, in milliseconds. */
const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 5000;
/** How many topics are kept at a time. */
const KEEP_BATCH = 100;

/** A topic that is listened to. */
interface Listening {
  readonly meta: string;
  readonly listener: (notice: Notice) => void;
  /** What was told last. */
  epoch: string;
  offset: number;
}

/**
 * Topics in Redis: a stream for each, to which a script adds, and which the same script tells of in a channel. There is one session
 * at a time. When it is over, everything is rejected at once until the next one has subscribed to all that was listened to.
 */
export class RedisBroker implements Broker {
  readonly name = "redis";
  readonly isDense = true;
  readonly #settings: Settings;
  readonly #keys: Keys;
  readonly #listening = new Map<string, Listening>();
  #session: Session | undefined;
  #host: BrokerHost | undefined;
  #lostBy: unknown;
  #isToldLost = false;
  #isClosed = false;
  #pendingBytes = 0;
  #wake: (() => void) | undefined;
  #keeper: ReturnType<typeof setInterval> | undefined;

  /** What the names of this broker's epochs begin with, and how many it has thought of. */
  readonly #id: string = randomName(16);
  #epochs = 0;

  private constructor(settings: Settings) {
    this.#settings = settings;
    this.#keys = new Keys(settings.prefix);
  }

  /** @throws {CometError} `ERR_BROKER`, `ERR_BROKER_CONFIG`. */
  static async open(settings: Settings): Promise<RedisBroker> {
    const broker = new RedisBroker(settings);
    await broker.#open();
    broker.#keeper = setInterval(() => void broker.#keepTopics(), Math.min(settings.topicTtlMs / 4, 3_600_000));
    (broker.#keeper as { unref?: () => void }).unref?.();
    return broker;
  }

  attach(host: BrokerHost): void {
    this.#host = host;
    if (this.#session !== undefined || this.#isClosed) return;
    void Promise.resolve().then(() => {
      if (this.#session === undefined) this.#tellLost();
    });
  }

  async publish(topic: string, message: BrokerPublication, bounds: LogBounds): Promise<Position> {
    const session = this.#current();
    const pending = message.bytes + ENVELOPE_BYTES;
    if (this.#pendingBytes > 0 && this.#pendingBytes + pending > this.#settings.maxPendingBytes) {
      throw new CometError("ERR_BROKER", `Redis is slow: ${this.#pendingBytes} bytes of messages wait for its answer.`);
    }
    const { log, meta, channel } = this.#keys.topic(topic);
    const keys = [log, meta, channel];
    if (message.messageId !== undefined) keys.push(this.#keys.messageId(topic, message.messageId));
    const args = [
      ...[this.#newEpoch(), message.json, aboutOf(message), message.bytes, bounds.maxEntries, bounds.maxBytes],
      ...[bounds.maxAgeMs, this.#settings.topicTtlMs, session.publishCommand],
    ].map(String);
    this.#pendingBytes += pending;
    try {
      return positionOf(await session.run(session.scripts.publish, keys, args, "ERR_UNACKNOWLEDGED"));
    } catch (error) {
      if (isWrongType(error)) throw await this.#wrongType(keys, error);
      throw publishError(error);
    } finally {
      this.#pendingBytes -= pending;
    }
  }

  async read(topic: string, after: number, bounds: LogBounds): Promise<History> {
    const session = this.#current();
    const { log, meta } = this.#keys.topic(topic);
    const args = [
      ...[this.#newEpoch(), after, bounds.maxEntries, bounds.maxBytes, bounds.maxAgeMs, this.#settings.topicTtlMs],
      ...[ANSWER_ENTRIES, ANSWER_BYTES],
    ].map(String);
    try {
      return historyOf(await session.run(session.scripts.read, [log, meta], args));
    } catch (error) {
      if (isWrongType(error)) throw await this.#wrongType([log, meta], error);
      throw brokerError("read", error);
    }
  }

  async listen(topic: string, listener: (notice: Notice) => void): Promise<void> {
    const session = this.#current();
    const { channel, meta } = this.#keys.topic(topic);
    const listening: Listening = { meta, listener, epoch: "", offset: 0 };
    this.#listening.set(channel, listening);
    try {
      await session.subscribe([channel]);
    } catch (error) {
      if (this.#listening.get(channel) === listening) this.#forget(channel);
      throw brokerError("subscribe", error);
    }
  }

  unlisten(topic: string): void {
    this.#forget(this.#keys.topic(topic).channel);
  }

  async renew(topic: string, epoch: string): Promise<void> {
    const session = this.#current();
    const { log, meta } = this.#keys.topic(topic);
    const args = [epoch, this.#newEpoch(), String(this.#settings.topicTtlMs)];
    try {
      await session.run(session.scripts.renew, [log, meta], args);
    } catch (error) {
      throw brokerError("begin another epoch", error);
    }
  }

  signal(text: string): void {
    // A session that cannot tell it ends soon.
    this.#session?.tell(this.#keys.signals, text).catch(() => undefined);
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- what a client cannot end at once, it ends by itself
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#host = undefined;
    this.#listening.clear();
    clearInterval(this.#keeper);
    this.#wake?.();
    this.#session?.close();
    this.#session = undefined;
  }

  /** An epoch that there has never been, in case that one is needed. */
  #newEpoch(): string {
    this.#epochs += 1;
    return this.#id + this.#epochs.toString(36);
  }

  #current(): Session {
    if (this.#isClosed) throw new CometError("ERR_CLOSED", "The broker is closed.");
    if (this.#session !== undefined) return this.#session;
    throw new CometError("ERR_BROKER", "There is no connection to Redis.", { cause: this.#lostBy });
  }

  async #open(): Promise<void> {
    let ended: { readonly error: unknown } | undefined;
    const channels = [...this.#listening.keys()];
    const session = await Session.open(this.#settings, this.#keys, channels, {
      received: (channel, text) => this.#received(channel, text),
      ended: (error) => {
        ended = { error };
        if (this.#session === session) this.#lost(error);
      },
    });
    if (this.#isClosed) {
      session.close();
      return;
    }
    if (ended !== undefined) throw brokerError("connect", ended.error);
    this.#session = session;
    for (const channel of channels) if (!this.#listening.has(channel)) this.#forget(channel);
  }

  #lost(error: unknown): void {
    this.#session = undefined;
    this.#lostBy = error;
    void this.#comeBack();
    this.#tellLost();
  }

  #tellLost(): void {
    if (this.#isToldLost || this.#host === undefined) return;
    this.#isToldLost = true;
    this.#host.lost(brokerError("stay connected", this.#lostBy));
  }

  async #comeBack(): Promise<void> {
    for (let longest = FIRST_RETRY_MS; ; longest = Math.min(longest * 2, MAX_RETRY_MS)) {
      await this.#sleep(Math.random() * longest);
      if (this.#isClosed) return;
      try {
        await this.#open();
        break;
      } catch (error) {
        this.#lostBy = error;
      }
    }
    if (!this.#isToldLost || this.#session === undefined) return;
    this.#isToldLost = false;
    this.#host?.restored();
  }

  #sleep(ms: number): Promise<void> {
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, ms);
      (timer as { unref?: () => void }).unref?.();
      this.#wake = () => {
        clearTimeout(timer);
        resolve();
      };
    });
  }

  #received(channel: string, text: string): void {
    const listening = this.#listening.get(channel);
    if (listening === undefined) {
      if (channel === this.#keys.signals) this.#host?.signalled(text);
      return;
    }
    const notice = noticeOf(text);
    if (notice === undefined) return;
    const { epoch, message } = notice;
    if (epoch === listening.epoch && message.offset <= listening.offset) return;
    listening.epoch = epoch;
    listening.offset = message.offset;
    listening.listener(notice);
  }

  #forget(channel: string): void {
    this.#listening.delete(channel);
    // What cannot be told is told by the next session, which does not subscribe to it.
    this.#session?.unsubscribe(channel).catch(() => undefined);
  }

  /** Keeps the epochs and offsets of the topics that are listened to here from being forgotten. */
  async #keepTopics(): Promise<void> {
    const ms = String(Math.ceil(this.#settings.topicTtlMs * 1.25));
    const metas = Array.from(this.#listening.values(), ({ meta }) => meta);
    for (let i = 0; i < metas.length; i += KEEP_BATCH) {
      const session = this.#session;
      if (session === undefined) return;
      const kept = metas.slice(i, i + KEEP_BATCH).map((meta) => session.send(meta, ["PEXPIRE", meta, ms]));
      await Promise.allSettled(kept);
    }
  }

  /** Which of the keys is not of the type that it must be. */
  async #wrongType(keys: readonly string[], cause: unknown): Promise<CometError> {
    const expected = ["stream", "hash", "none", "string"];
    const found = await Promise.all(
      keys.map(async (key) => {
        const type = this.#session?.send(key, ["TYPE", key]) ?? Promise.resolve("");
        return textOf(await type.catch(() => ""));
      }),
    );
    const wrong = found.findIndex((type, i) => type !== "" && type !== "none" && type !== expected[i]);
    const what =
      wrong === -1
        ? `One of the keys ${keys.join(", ")}`
        : `The key ${keys[wrong] ?? ""}, which is a ${found[wrong] ?? ""},`;
    const error = `${what} is not of comet-sockets: use another prefix, or delete it.`;
    return new CometError("ERR_BROKER_CONFIG", error, { cause });
  }
}

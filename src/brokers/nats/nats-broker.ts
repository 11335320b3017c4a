import { CometError } from "../../core/errors.ts";
import { Semaphore } from "../../core/semaphore.ts";
import { unrefInterval, unrefTimeout, type Timer } from "../../core/timers.ts";
import type { Broker, BrokerHost, BrokerPublication, History, Notice, TopicBounds } from "../../log/broker.ts";
import type { Position } from "../../log/position.ts";
import { Reconnection } from "../reconnection.ts";
import { ensureStream, tryPublishing } from "./ensure-stream.ts";
import { encodeHeaders, type StoredEntry } from "./message-codec.ts";
import type { NatsSettings } from "./nats-broker-options.ts";
import { NatsFinite } from "./nats-finite.ts";
import { NatsLink } from "./nats-link.ts";
import { NatsSubscription } from "./nats-subscription.ts";
import { readHistory } from "./read-history.ts";
import { ServerClock } from "./server-clock.ts";
import { storeEntry } from "./store-entry.ts";
import { StreamEpoch } from "./stream-epoch.ts";
import { subjectsOf, type Subjects } from "./subjects.ts";

/** Topics that are read at a time. */
const MAX_READS = 32;
/** Attempts of a read, each of which another epoch may void. */
const MAX_READ_ATTEMPTS = 3;

/**
 * The broker on NATS JetStream. One stream holds the messages of all topics, with a subject for each topic; the offset of a message is its
 * sequence in the stream. The server republishes each stored message with the sequence of the one before, so listening is a plain
 * subscription.
 *
 * There is at most one link at a time. When it is lost, calls reject at once until another has subscribed to all topics with listeners
 * and the epoch is known; only then is the hub notified with `restored`, since it reads what it missed from that moment on.
 */
export class NatsBroker implements Broker {
  readonly name = "nats";
  readonly isDense = false;
  readonly finite: NatsFinite;
  readonly #settings: NatsSettings;
  readonly #subjects: Subjects;
  readonly #clock: ServerClock;
  readonly #epoch: StreamEpoch;
  readonly #subscriptions = new Map<string, NatsSubscription>();
  readonly #reads = new Semaphore(MAX_READS);
  readonly #reconnection: Reconnection;
  readonly #closing = new AbortController();
  #link: NatsLink | undefined;
  #refresher: Timer | undefined;

  private constructor(settings: NatsSettings) {
    this.#settings = settings;
    this.#subjects = subjectsOf(settings.prefix);
    this.#clock = new ServerClock(settings, this.#subjects.trial);
    this.#epoch = new StreamEpoch(
      settings,
      this.#subjects.epoch,
      () => this.#openLink(),
      () => this.#changeEpoch(),
    );
    this.finite = new NatsFinite(settings, {
      subjects: this.#subjects,
      open: () => ({ link: this.#openLink(), settings, epoch: this.#epoch, clock: this.#clock }),
      refresh: () => this.#epoch.refresh(),
    });
    this.#reconnection = new Reconnection({
      maxRetryMs: settings.maxRetryMs,
      connect: () => this.#connect(),
      isConnected: () => this.#link !== undefined,
      lossOf: (error) => error,
    });
  }

  /** @throws {CometError} `ERR_BROKER`, `ERR_BROKER_CONFIG`, `ERR_OPTION`. */
  static async open(settings: NatsSettings): Promise<NatsBroker> {
    const broker = new NatsBroker(settings);
    try {
      await broker.#connect();
    } catch (error) {
      await broker.close();
      throw error;
    }
    return broker;
  }

  attach(host: BrokerHost): void {
    this.#reconnection.attach(host);
  }

  async publish(topic: string, message: BrokerPublication, bounds: TopicBounds): Promise<Position> {
    // Nothing is awaited before the request is sent, so messages keep the order of the calls.
    const link = this.#openLink();
    if (this.finite.concerns(topic, message, bounds)) return await this.finite.publish(topic, message, bounds);
    // Notices show whether a topic ends, so only one without a listener is looked at.
    const looking = this.#subscriptions.has(topic) ? undefined : this.finite.look(topic);
    const headers = encodeHeaders(topic, message, this.#clock.now());
    const storing = storeEntry(link, this.#subjects.of(topic), message.json, headers);
    const stored = await this.#checked(link, storing);
    if (stored.isDuplicate) return this.#epoch.positionOf(stored.offset);
    const position = await this.#epoch.acknowledge(stored.offset);
    if (looking === undefined || !(await looking)) return position;
    return (await this.finite.confirm(topic, stored, message, bounds)) ?? position;
  }

  read(topic: string, after: number, bounds: TopicBounds, current: number): Promise<History> {
    const began = performance.now();
    return this.#reads.run(async () => {
      for (let attempt = 1; ; attempt += 1) {
        const link = this.#openLink();
        const { name, base } = this.#epoch.current;
        const subscription = this.#subscriptions.get(topic);
        const reading = readHistory({
          link,
          settings: this.#settings,
          epoch: this.#epoch,
          clock: this.#clock,
          subject: this.#subjects.of(topic),
          leaseSubject: this.#subjects.leaseOf(topic),
          known: this.finite.entries.knownState(topic),
          after,
          bounds,
          current: current + (performance.now() - began),
          base,
          seen: subscription?.known,
        });
        const { history, state } = await this.#checked(link, reading);
        // Parts of the answer may be of another epoch, or of another stream.
        if (history.epoch !== name && attempt < MAX_READ_ATTEMPTS) continue;
        subscription?.note(history.messages.at(-1));
        this.finite.entries.note(topic, state);
        return history;
      }
    });
  }

  async listen(topic: string, listener: (notice: Notice) => void): Promise<void> {
    const link = this.#openLink();
    this.unlisten(topic);
    const onForeign = (): void => {
      const foreign = `Another program has published to the live subject of the topic ${JSON.stringify(topic)} in NATS.`;
      this.#reconnection.host?.ignored(new CometError("ERR_MESSAGE", foreign));
    };
    const accepts = (entry: StoredEntry): boolean => this.finite.entries.receive(topic, entry);
    const subscription = new NatsSubscription(this.#epoch, this.#clock, listener, onForeign, accepts);
    this.#subscriptions.set(topic, subscription);
    this.#subscribe(link, topic, subscription);
    try {
      // When the stream's leader answers, the subscription is known there, whichever server of a cluster it is.
      await this.#epoch.info();
    } catch (error) {
      if (this.#subscriptions.get(topic) === subscription) this.unlisten(topic);
      throw error;
    }
  }

  unlisten(topic: string): void {
    const subscription = this.#subscriptions.get(topic);
    this.#subscriptions.delete(topic);
    subscription?.live?.unsubscribe();
  }

  async renew(_topic: string, epoch: string): Promise<void> {
    await this.#epoch.renew(epoch);
  }

  signal(text: string): void {
    this.#link?.send(this.#subjects.signal, text);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#closing.abort();
    this.#reconnection.close();
    clearInterval(this.#refresher);
    for (const topic of this.#subscriptions.keys()) this.unlisten(topic);
    const link = this.#link;
    this.#link = undefined;
    await link?.close(new CometError("ERR_BROKER", "The broker is closed."));
  }

  get #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  #openLink(): NatsLink {
    if (this.#link === undefined) throw this.#unavailable();
    return this.#link;
  }

  #unavailable(): CometError {
    if (this.#isClosed) return new CometError("ERR_CLOSED", "The broker is closed.");
    const cause = this.#reconnection.lastError;
    const why = cause instanceof Error ? `: ${cause.message}` : ".";
    return new CometError("ERR_BROKER", `NATS is not connected${why}`, { cause });
  }

  /** Awaits an answer. If there is none, the stream may be gone, which the epoch finds out. */
  async #checked<Answer>(link: NatsLink, answer: Promise<Answer>): Promise<Answer> {
    try {
      return await answer;
    } catch (error) {
      if (link.isOpen) this.#epoch.refresh();
      throw error;
    }
  }

  /** Connects, and checks the stream and the permissions, all within `connectTimeoutMs`. */
  async #connect(): Promise<void> {
    const { connectTimeoutMs } = this.#settings;
    const until = performance.now() + connectTimeoutMs;
    const link = await NatsLink.open(this.#settings, this.#closing.signal, (lost, error) => this.#lose(lost, error));
    const expire = (): void => link.break(`it was not set up within ${connectTimeoutMs} ms`);
    const timer = unrefTimeout(expire, until - performance.now());
    try {
      await this.#setUp(link);
    } catch (error) {
      await link.close(new CometError("ERR_BROKER", "NATS is not connected.", { cause: error }));
      throw error;
    } finally {
      clearTimeout(timer);
    }
  }

  async #setUp(link: NatsLink): Promise<void> {
    const { signal, epoch, liveTrial, trial } = this.#subjects;
    link.subscribe(signal, (message) => {
      if (!this.#isClosed) this.#reconnection.host?.signalled(message.string());
    });
    link.subscribe(epoch, () => this.#epoch.refresh());
    link.subscribe(liveTrial, () => undefined);
    await ensureStream(link, this.#settings, this.#subjects);
    await tryPublishing(link, trial);
    await this.#clock.synchronize(link);
    for (const [topic, subscription] of this.#subscriptions) this.#subscribe(link, topic, subscription);
    const info = await this.#epoch.latest(link);
    if (link.denial !== undefined) throw link.denial;
    if (this.#isClosed || !link.isOpen) throw this.#unavailable();
    this.#link = link;
    this.#epoch.enter(link, info);
    this.#refresher = unrefInterval(() => this.#epoch.refresh(), this.#settings.heartbeatMs);
  }

  #subscribe(link: NatsLink, topic: string, subscription: NatsSubscription): void {
    subscription.live = link.subscribe(this.#subjects.liveOf(topic), (message) => {
      // Until the link is in use the epoch is not known. The hub reads these messages after `restored`.
      if (link === this.#link) subscription.receive(message);
    });
  }

  /** The hub is notified of another epoch as of a loss, so that it reads all topics again. */
  #changeEpoch(): void {
    for (const subscription of this.#subscriptions.values()) subscription.reset();
    this.finite.entries.clear();
    this.#reconnection.reread(new CometError("ERR_BROKER", "The stream has begun another epoch."));
  }

  #lose(link: NatsLink, error: CometError): void {
    if (this.#link !== link) return;
    this.#link = undefined;
    clearInterval(this.#refresher);
    this.#reconnection.lose(error);
  }
}

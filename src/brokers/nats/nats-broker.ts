import type { Msg, Subscription } from "@nats-io/transport-node";
import { CometError } from "../../core/errors.ts";
import type { Broker, BrokerHost, BrokerPublication, History, Notice } from "../../log/broker.ts";
import type { LogBounds } from "../../log/entry.ts";
import type { Position } from "../../log/position.ts";
import { ServerClock } from "./clock.ts";
import { readHistory, type Known } from "./history.ts";
import { Link } from "./link.ts";
import { decodeMessage, encodeHeaders, fieldsOf } from "./message.ts";
import type { Settings } from "./options.ts";
import {
  ApiError,
  beginEpoch,
  ensureStream,
  tryPublishing,
  epochOf,
  isStreamGone,
  streamInfo,
  type Epoch,
  type StreamInfo,
} from "./stream.ts";
import { subjectsOf, type Subjects } from "./subjects.ts";
import { Turnstile } from "./turnstile.ts";

/** The shortest pause before an attempt to come back, and how many topics are read at a time. */
const MIN_RETRY_MS = 50;
const READS_AT_A_TIME = 32;

/** How long the leader of a stream may not know yet what its predecessor has acknowledged. */
const CATCH_UP_MS = 500;

/** How often a read is begun again because there is another epoch. */
const MAX_READS = 3;

/** What is listened to. */
interface Listening {
  readonly listener: (notice: Notice) => void;
  /** The offset of the message that it was told last. */
  last: number;
  /** The newest that it was told, or given. */
  known: Known | undefined;
  subscription: Subscription | undefined;
}

/** What JetStream answers when it has stored a message. */
interface Acknowledgement {
  readonly seq: number;
  readonly duplicate?: boolean;
  readonly error?: { readonly err_code?: number; readonly description?: string };
}

/**
 * The messages of all topics in one stream, with a subject for each topic. A message's offset is that in the stream. The server publishes what
 * it has stored once more, with the offset of the message before; listening is a plain subscription to that.
 *
 * The epoch is the stream's. Every process asks for it when it connects, with each read, when another has begun one, and at
 * every heartbeat.
 */
export class NatsBroker implements Broker {
  readonly name = "nats";
  readonly isDense = false;
  readonly #settings: Settings;
  readonly #subjects: Subjects;
  readonly #clock: ServerClock;
  readonly #listenings = new Map<string, Listening>();
  readonly #reads = new Turnstile(READS_AT_A_TIME);
  #host: BrokerHost | undefined;
  #link: Link | undefined;
  #lastError = new CometError("ERR_BROKER", "NATS is not connected.");
  #isToldLost = false;
  readonly #closing = new AbortController();
  #isReplicated = false;
  #retry: NodeJS.Timeout | undefined;
  #beat: NodeJS.Timeout | undefined;
  #failures = 0;
  #epoch: Epoch = { name: "", base: 0 };
  #epochBefore = "";
  /** The greatest offset that is known in this epoch. */
  #highest = 0;
  /** The last offset that was acknowledged. */
  #acknowledged = 0;
  #asking: Promise<StreamInfo> | undefined;
  #askingNext: Promise<StreamInfo> | undefined;

  private constructor(settings: Settings) {
    this.#settings = settings;
    this.#subjects = subjectsOf(settings.prefix);
    this.#clock = new ServerClock(settings, this.#subjects.trial);
  }

  /** @throws {CometError} `ERR_BROKER`, `ERR_BROKER_CONFIG`. */
  static async start(settings: Settings): Promise<NatsBroker> {
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
    this.#host = host;
    // It may have been lost since it was made.
    setImmediate(() => {
      if (this.#link === undefined) this.#tellLost(this.#lastError);
    });
  }

  async publish(topic: string, message: BrokerPublication, _bounds: LogBounds): Promise<Position> {
    // Up to the request there is nothing to wait for: messages keep the order of the calls.
    const link = this.#open();
    const at = this.#clock.now();
    const answer = link.ask({
      subject: this.#subjects.of(topic),
      payload: message.json,
      headers: encodeHeaders(topic, message, at),
      unanswered: "ERR_UNACKNOWLEDGED",
    });
    return await this.#positionOf(link, answer);
  }

  async #positionOf(link: Link, answer: Promise<Msg>): Promise<Position> {
    const { seq, duplicate, error } = (await this.#checked(link, answer)).json<Acknowledgement>();
    if (error !== undefined) throw new ApiError(error, "take a message");
    if (duplicate === true) return this.#positionAt(seq);
    // Offsets that go back are those of another stream.
    const isOther = seq <= this.#acknowledged;
    this.#acknowledged = seq;
    if (isOther) await this.#info().catch(() => undefined);
    this.#highest = Math.max(this.#highest, seq);
    return this.#positionAt(seq);
  }

  #positionAt(offset: number): Position {
    const { name, base } = this.#epoch;
    return { epoch: offset > base ? name : this.#epochBefore, offset };
  }

  /** What nobody answers is perhaps a stream that is gone. */
  async #checked<Answer>(link: Link, answer: Promise<Answer>): Promise<Answer> {
    try {
      return await answer;
    } catch (error) {
      if (link === this.#link && link.isOpen) this.#refresh();
      throw error;
    }
  }

  read(topic: string, after: number, bounds: LogBounds, current: number): Promise<History> {
    const began = performance.now();
    return this.#reads.pass(async () => {
      for (let tries = 1; ; tries += 1) {
        const link = this.#open();
        const { name, base } = this.#epoch;
        const listening = this.#listenings.get(topic);
        const history = await this.#checked(
          link,
          readHistory({
            link,
            settings: this.#settings,
            subject: this.#subjects.of(topic),
            after,
            bounds,
            current: current + (performance.now() - began),
            base,
            known: listening?.known,
            isReplicated: this.#isReplicated,
            info: () => this.#info(),
            now: () => this.#clock.now(),
          }),
        );
        // Some of it may be of another epoch, or stream.
        if (history.epoch !== name && tries < MAX_READS) continue;
        if (listening !== undefined) know(listening, history.messages.at(-1));
        return history;
      }
    });
  }

  async listen(topic: string, listener: (notice: Notice) => void): Promise<void> {
    const link = this.#open();
    this.unlisten(topic);
    const listening: Listening = { listener, last: 0, known: undefined, subscription: undefined };
    this.#listenings.set(topic, listening);
    this.#subscribe(link, topic, listening);
    try {
      // What the stream's server says after this it says knowing of the subscription, whichever server of a cluster it is.
      await this.#info();
    } catch (error) {
      if (this.#listenings.get(topic) === listening) this.unlisten(topic);
      throw error;
    }
  }

  unlisten(topic: string): void {
    const listening = this.#listenings.get(topic);
    this.#listenings.delete(topic);
    listening?.subscription?.unsubscribe();
  }

  async renew(_topic: string, epoch: string): Promise<void> {
    const link = this.#open();
    const info = await this.#info();
    if (epochOf(info).name === epoch) await this.#renew(link, info);
  }

  signal(text: string): void {
    this.#link?.tell(this.#subjects.signal, text);
  }

  async close(): Promise<void> {
    if (this.#isClosed) return;
    this.#closing.abort();
    clearTimeout(this.#retry);
    clearInterval(this.#beat);
    for (const topic of this.#listenings.keys()) this.unlisten(topic);
    const link = this.#link;
    this.#link = undefined;
    await link?.close(new CometError("ERR_BROKER", "The broker is closed."));
  }

  /** Connects, and makes sure that everything is as it must be. */
  async #connect(): Promise<void> {
    const link = await Link.open(this.#settings, this.#closing.signal, (lost, error) => this.#lose(lost, error));
    try {
      await this.#setUp(link);
    } catch (error) {
      await link.close(this.#lastError);
      throw error;
    }
  }

  async #setUp(link: Link): Promise<void> {
    const { signal, epoch, liveTrial } = this.#subjects;
    link.subscribe(signal, (message) => {
      if (!this.#isClosed) this.#host?.signalled(message.string());
    });
    link.subscribe(epoch, () => this.#refresh());
    link.subscribe(liveTrial, () => undefined);
    await ensureStream(link, this.#settings, this.#subjects);
    await tryPublishing(link, this.#subjects.trial);
    await this.#clock.set(link);
    for (const [topic, listening] of this.#listenings) this.#subscribe(link, topic, listening);
    const info = await this.#latest(link);
    if (link.denial !== undefined) throw link.denial;
    if (this.#isClosed || !link.isOpen) throw this.#unavailable();
    if (epochOf(info).name !== this.#epoch.name) link.tell(epoch, "");
    this.#link = link;
    this.#failures = 0;
    this.#adopt(info);
    this.#beat = setInterval(() => this.#refresh(), this.#settings.heartbeatMs).unref();
  }

  #subscribe(link: Link, topic: string, listening: Listening): void {
    listening.subscription = link.subscribe(this.#subjects.liveOf(topic), (message) => {
      // Before the epoch is known again nothing is told; whoever is told that it is, reads.
      if (link === this.#link) this.#hear(listening, message);
    });
  }

  #hear(listening: Listening, message: Msg): void {
    const offset = Number(message.headers?.get("Nats-Sequence"));
    const previous = Number(message.headers?.get("Nats-Last-Sequence"));
    const decoded = decodeMessage(offset, message.string(), fieldsOf(message.headers));
    // What no hub has published is no message.
    if (decoded.at === 0 || !(offset > this.#epoch.base)) return;
    if (offset <= listening.last) {
      // Offsets that go back are those of another stream.
      this.#refresh();
      return;
    }
    listening.last = offset;
    know(listening, decoded);
    this.#highest = Math.max(this.#highest, offset);
    const { name, base } = this.#epoch;
    listening.listener({ epoch: name, previous: previous > base ? previous : 0, message: decoded });
  }

  #lose(link: Link, error: CometError): void {
    if (this.#link !== link) return;
    this.#link = undefined;
    clearInterval(this.#beat);
    this.#lastError = error;
    this.#tellLost(error);
    this.#retryLater();
  }

  #retryLater(): void {
    if (this.#isClosed) return;
    const longest = Math.min(MIN_RETRY_MS * 2 ** this.#failures, this.#settings.maxRetryMs);
    this.#failures += 1;
    this.#retry = setTimeout(() => void this.#comeBack(), longest * (0.5 + Math.random() / 2)).unref();
  }

  async #comeBack(): Promise<void> {
    try {
      await this.#connect();
      this.#tellRestored();
    } catch (error) {
      this.#lastError =
        error instanceof CometError ? error : new CometError("ERR_BROKER", "NATS fails.", { cause: error });
      this.#retryLater();
    }
  }

  #tellLost(error: CometError): void {
    if (this.#isToldLost || this.#isClosed || this.#host === undefined) return;
    this.#isToldLost = true;
    this.#host.lost(error);
  }

  #tellRestored(): void {
    if (!this.#isToldLost || this.#isClosed || this.#link === undefined) return;
    this.#isToldLost = false;
    this.#host?.restored();
  }

  /** Asks for the stream, for its epoch. */
  #refresh(): void {
    this.#info().catch(() => undefined);
  }

  /** What is told of the stream after this call. One request at a time is under way, and serves all who ask before it is sent. */
  #info(): Promise<StreamInfo> {
    if (this.#asking === undefined) return (this.#asking = this.#askInfo().finally(() => (this.#asking = undefined)));
    return (this.#askingNext ??= this.#asking
      .catch(() => undefined)
      .then(() => {
        this.#askingNext = undefined;
        return this.#info();
      }));
  }

  async #askInfo(): Promise<StreamInfo> {
    const link = this.#open();
    try {
      const info = await this.#latest(link);
      if (link === this.#link) this.#adopt(info);
      return info;
    } catch (error) {
      if (isStreamGone(error)) link.break("the stream is gone");
      throw error;
    }
  }

  /** The stream, with another epoch if messages are lost that were told of: as when a server comes back without its newest files. */
  async #latest(link: Link): Promise<StreamInfo> {
    const highest = this.#highest;
    const isBehind = (info: StreamInfo): boolean =>
      epochOf(info).name === this.#epoch.name && info.state.last_seq < highest;
    const info = await streamInfo(link, this.#settings);
    if (!isBehind(info)) return info;
    // Who has just become the leader of a cluster may be about to catch up.
    await new Promise((resolve) => setTimeout(resolve, CATCH_UP_MS));
    const later = await streamInfo(link, this.#settings);
    return isBehind(later) ? await this.#renew(link, later) : later;
  }

  async #renew(link: Link, before: StreamInfo): Promise<StreamInfo> {
    const info = await beginEpoch(link, this.#settings, before);
    link.tell(this.#subjects.epoch, "");
    if (link === this.#link) this.#adopt(info);
    return info;
  }

  /** Goes on with the epoch of the stream. A hub hears of another by a loss, so that it reads all topics again. */
  #adopt(info: StreamInfo): void {
    const epoch = epochOf(info);
    this.#isReplicated = (info.config.num_replicas ?? 1) > 1;
    if (epoch.name === this.#epoch.name) {
      this.#highest = Math.max(this.#highest, info.state.last_seq);
      return;
    }
    const isFirst = this.#epoch.name === "";
    this.#epochBefore = isFirst ? epoch.name : this.#epoch.name;
    this.#epoch = epoch;
    this.#highest = info.state.last_seq;
    this.#acknowledged = 0;
    for (const listening of this.#listenings.values()) Object.assign(listening, { last: 0, known: undefined });
    if (isFirst || this.#isToldLost) return;
    setImmediate(() => {
      if (this.#link === undefined || this.#isToldLost) return;
      this.#tellLost(new CometError("ERR_BROKER", "The stream has begun another epoch."));
      this.#tellRestored();
    });
  }

  get #isClosed(): boolean {
    return this.#closing.signal.aborted;
  }

  #open(): Link {
    if (this.#link === undefined) throw this.#unavailable();
    return this.#link;
  }

  #unavailable(): CometError {
    if (this.#isClosed) return new CometError("ERR_CLOSED", "The broker is closed.");
    return new CometError("ERR_BROKER", `NATS is not connected: ${this.#lastError.message}`, {
      cause: this.#lastError,
    });
  }
}

function know(listening: Listening, message: Known | undefined): void {
  if (message !== undefined && message.offset > (listening.known?.offset ?? 0)) {
    listening.known = { offset: message.offset, at: message.at };
  }
}

import { CometError } from "../../core/errors.ts";
import type { SurfaceAccess } from "../../hub/surface-access.ts";
import type { FiniteSettings } from "../../hub/topics/finite-life.ts";
import type { LiveTopic } from "../../hub/topics/live-topic.ts";
import type { Publication } from "../../log/entry.ts";
import type { Log } from "../../log/log.ts";
import type { OlderMessage, OlderPage } from "../../log/older.ts";
import type { Format } from "../../wire/format.ts";
import { appendId, readAppendId, type AppendTag } from "./append-id.ts";
import { CacheCursor } from "./cache-cursor.ts";
import { bodyOf, kindOf, type ContentKind } from "./content.ts";
import { liveFormat } from "./live-format.ts";
import { readOffset, writeOffset, type StreamPlace } from "./offset.ts";
import { StreamProblem, trimmedOffset } from "./problem.ts";
import { Producers, type ProducerTag } from "./producers.ts";
import type { StreamConfig } from "./stream-config.ts";

/** The size after which an answer has no further message, in bytes. */
const MAX_ANSWER_BYTES = 1_048_576;

/** A part of a stream: the messages between two places, as the body of an answer. */
export interface StreamPart {
  readonly from: number;
  readonly next: number;
  readonly body: Uint8Array<ArrayBuffer>;
}

/**
 * One stream in this process: a topic that ends, and what the protocol knows of it beside its messages.
 *
 * A message has a number: its offset in the topic, plus the shift of a fork. The stream keeps its topic alive until {@link release}.
 * Appends follow one another: see {@link inTurn}.
 */
export class DurableStream {
  readonly name: string;
  readonly config: StreamConfig;
  readonly kind: ContentKind;
  readonly topic: LiveTopic;
  readonly format: Format;
  readonly cursor: CacheCursor = new CacheCursor();
  readonly producers: Producers = new Producers();
  /** The last `Stream-Seq`. */
  seq: string | undefined;
  /** The append that has closed the stream, if its producer is known. */
  closedBy: ProducerTag | undefined;
  /** The time of the last read or append, in milliseconds since 1970. */
  touchedAt: number = Date.now();
  /** The number of streams that were forked from it. */
  forks = 0;
  /** Whether it is deleted, and only remembered for its forks. */
  isDeleted = false;
  readonly #access: SurfaceAccess;
  readonly #finite: FiniteSettings;
  /** Called when the topic has something new, or is over. */
  readonly #waiters = new Set<() => void>();
  readonly #wake = (): void => {
    for (const wake of [...this.#waiters]) wake();
  };
  /** The newest part that was read, for a second at most. */
  #newest: { readonly from: number; readonly tail: number; readonly part: Promise<StreamPart> } | undefined;
  #turn: Promise<unknown> = Promise.resolve();
  /** The index up to which the log's producers are known. */
  #known = 0;

  /** @param finite How its topic ends. */
  constructor(access: SurfaceAccess, name: string, config: StreamConfig, finite: FiniteSettings) {
    this.name = name;
    this.config = config;
    this.kind = kindOf(config.contentType);
    this.#access = access;
    this.#finite = finite;
    this.topic = access.topics.toPublish(name, finite);
    this.topic.addReader(this.#wake);
    this.format = liveFormat(this);
  }

  get #log(): Log {
    return this.topic.log;
  }

  get #shift(): number {
    return this.config.fork?.shift ?? 0;
  }

  get isClosed(): boolean {
    return this.#log.ended !== undefined;
  }

  /** Whether its topic is gone: deleted, or expired. */
  get isGone(): boolean {
    return this.isDeleted || this.topic.isForgotten;
  }

  /** The number of the newest message. The end of the topic is none. */
  get tail(): number {
    const { ended, headOffset } = this.#log;
    return (ended === undefined ? headOffset : headOffset - 1) + this.#shift;
  }

  /** The number before the first message. */
  get begin(): number {
    return this.#log.begunAfter + this.#shift;
  }

  /** The offset of the newest message. */
  get tailOffset(): string {
    return this.offsetOf(this.tail);
  }

  /** Whether it has expired at a time in milliseconds since 1970. */
  isExpired(time: number): boolean {
    const { ttlSeconds, expiresAt } = this.config;
    if (ttlSeconds !== undefined && time > this.touchedAt + ttlSeconds * 1000) return true;
    return expiresAt !== undefined && time > expiresAt;
  }

  /** Brings its log up to date with the broker, if there is one, and learns what producers have appended. */
  async refresh(): Promise<void> {
    const { topics } = this.#access;
    if (topics.hasBroker) (await topics.current(this.name)).release();
    const log = this.#log;
    for (let index = Math.max(this.#known, log.floor) + 1; index <= log.lastMessage; index += 1) {
      const tag = readAppendId(log.entry(index).messageId);
      if (tag?.producer !== undefined) this.producers.accept(tag.producer);
      if (tag?.seq !== undefined) this.seq = tag.seq;
    }
    this.#known = log.lastMessage;
  }

  /** Returns the offset after the message with a number. */
  offsetOf(number: number): string {
    return writeOffset({ number, epoch: this.#epochAt(number) });
  }

  /** Returns the offset that a position of its topic is. */
  offsetAt(position: string): string {
    return this.offsetOf(Number(position.slice(position.lastIndexOf(".") + 1)) + this.#shift);
  }

  /** Returns the position in its topic that is the place after a number. */
  positionOf(number: number): { readonly epoch: string; readonly offset: number } {
    return { epoch: this.#log.epoch, offset: number - this.#shift };
  }

  /**
   * Returns the number of the last message that a reader has.
   *
   * @param offset What the reader sent; `undefined` for the beginning.
   * @throws {CometError} `ERR_REQUEST` (400) for a malformed offset, or one that is ahead of the stream; `ERR_TOPIC_EXPIRED` (410) if the
   *   messages after it are no longer kept.
   */
  numberOf(offset: string | undefined): number {
    const place = offset === undefined ? "begin" : readOffset(offset);
    if (place === "now") return this.tail;
    const number = place === "begin" ? this.begin : this.#assertPlace(place);
    if (this.#indexOf(number) < this.#log.floor && this.#log.older === undefined) throw trimmedOffset();
    return number;
  }

  #assertPlace({ number, epoch }: StreamPlace): number {
    if (number === 0) return this.begin;
    if (epoch !== this.#epochAt(number)) throw trimmedOffset();
    if (number < this.begin) return this.begin;
    if (number > this.tail) throw new StreamProblem("ERR_REQUEST", "The offset is ahead of the stream.");
    return number;
  }

  #epochAt(number: number): string {
    return this.config.fork?.lineage.find(({ through }) => number <= through)?.epoch ?? this.#log.epoch;
  }

  #indexOf(number: number): number {
    return this.#log.indexOf(this.#log.epoch, number - this.#shift) ?? this.#log.head;
  }

  /**
   * Reads messages as the body of an answer: all after a number, or as many as make one answer.
   *
   * Readers of the same part share it, so that a thousand that wait for one message cost its encoding once.
   *
   * @returns Rejects with `ERR_TOPIC_EXPIRED` (410) if the messages are no longer kept.
   */
  read(from: number): Promise<StreamPart> {
    const { tail } = this;
    if (this.#newest?.from !== from || this.#newest.tail !== tail) {
      this.#newest = { from, tail, part: this.#read(from) };
    }
    return this.#newest.part;
  }

  async #read(from: number): Promise<StreamPart> {
    const messages = await this.messages(from, MAX_ANSWER_BYTES);
    const last = messages.at(-1);
    const next = last === undefined ? from : last.offset + this.#shift;
    return { from, next, body: bodyOf(this.kind, messages) };
  }

  /**
   * Returns the messages after a number up to `through`, as many as have `maxBytes` and one more.
   *
   * @returns Rejects with `ERR_TOPIC_EXPIRED` (410) if they are no longer kept.
   */
  async messages(from: number, maxBytes: number, through: number = this.tail): Promise<OlderMessage[]> {
    const log = this.#log;
    const last = through - this.#shift;
    const messages: OlderMessage[] = [];
    let offset = from - this.#shift;
    let bytes = 0;
    const add = (message: OlderMessage): boolean => {
      if (message.offset > last || bytes >= maxBytes) return false;
      messages.push(message);
      offset = message.offset;
      bytes += message.bytes;
      return true;
    };
    while (offset < Math.min(log.floorOffset, last) && bytes < maxBytes) {
      const page: OlderPage | undefined = log.older?.page(offset) ?? (await log.older?.load(offset));
      if (page === undefined || page.floor > offset) throw trimmedOffset();
      const rest = page.messages.slice(page.firstAfter(offset));
      if (rest.every(add)) offset = Math.max(offset, page.through);
    }
    if (bytes >= maxBytes || offset >= last) return messages;
    if (offset < log.floorOffset) throw trimmedOffset();
    for (let index = this.#indexOf(offset + this.#shift) + 1; index <= log.lastMessage; index += 1) {
      if (!add(log.entry(index))) break;
    }
    return messages;
  }

  /** Runs an append or a close after those before it. */
  inTurn<T>(act: () => T | PromiseLike<T>): Promise<T> {
    const turn = this.#turn.then(act);
    this.#turn = turn.catch(() => undefined);
    return turn;
  }

  /** Publishes the messages of an append. Readers get them in the next flush. */
  async publish(messages: readonly Publication[], tag: AppendTag): Promise<void> {
    const { publisher } = this.#access;
    // All at once: they keep their order.
    await Promise.all(
      messages.map(async (message, i) =>
        publisher.send(this.name, { ...message, messageId: appendId(tag, i, messages.length) }, this.#finite),
      ),
    );
    await this.refresh();
  }

  /** Closes the stream, which ends its topic. Does nothing if it is closed. */
  async close(): Promise<void> {
    try {
      await this.#access.publisher.end(this.name, {}, this.#finite);
    } catch (error) {
      if (!(error instanceof CometError && error.code === "ERR_ENDED")) throw error;
    }
    await this.refresh();
  }

  /** Waits while half of the log is unsent to readers that read. */
  async paced(): Promise<void> {
    await this.topic.paced();
  }

  /** Calls `wake` whenever there may be something new, until the returned function is called. */
  watch(wake: () => void): () => void {
    this.#waiters.add(wake);
    return () => this.#waiters.delete(wake);
  }

  /** Whether requests wait for a message. */
  get isAwaited(): boolean {
    return this.#waiters.size > 0;
  }

  /** Wakes the requests that may have waited long enough, and drops what is kept for a moment. Called every second. */
  sweep(): void {
    this.#newest = undefined;
    this.#wake();
  }

  /** Lets its topic go. */
  release(): void {
    this.topic.removeReader(this.#wake);
    this.#wake();
  }

  /** Removes its topic with all messages, and wakes the requests that wait. */
  async deleteTopic(): Promise<void> {
    if (!this.topic.isForgotten) await this.#access.publisher.delete(this.name);
    this.release();
  }
}

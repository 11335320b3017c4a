import { CometError } from "../../core/errors.ts";
import { Queue } from "../../core/queue.ts";
import { randomName } from "../../core/random-name.ts";
import { afterTurn } from "../../core/turn.ts";
import type { Broker, BrokerHost, BrokerMessage, BrokerPublication, History, Notice } from "../../log/broker.ts";
import type { LogBounds } from "../../log/entry.ts";
import type { Position } from "../../log/position.ts";

/** How much one answer to `read` holds, so that it reads in pages as from any other broker. */
const PAGE_ENTRIES = 500;
const PAGE_BYTES = 262_144;

/** From how many topics on it looks for those that nobody needs any more. */
const MIN_SWEEP = 64;

/**
 * Topics in the memory of this process, shared by all hubs that join: for the tests of an application that is to run in several
 * processes, and the smallest example of a broker.
 *
 * ```ts
 * const memory = new MemoryBrokers();
 * const hubs = [new Hub({ broker: memory.join() }), new Hub({ broker: memory.join() })];
 * ```
 *
 * What it keeps is bounded as the hubs say, for each topic. A topic that nobody listens to is forgotten some time after its messages
 * have become too old, and begins another epoch if it is used again.
 */
export class MemoryBrokers {
  readonly #exchange = new Exchange();

  /** A broker for one hub. Its calls reject with `ERR_CLOSED` once it is closed; the topics stay. */
  join(): Broker {
    return new Member(this.#exchange);
  }
}

/** What the members have in common. */
class Exchange {
  readonly members = new Set<Member>();
  readonly #topics = new Map<string, SharedTopic>();
  #sweepAt = MIN_SWEEP;
  #latest = 0;

  /** The wall clock, as far as it goes forward. */
  now(): number {
    return (this.#latest = Math.max(this.#latest, Date.now()));
  }

  topic(name: string): SharedTopic {
    const now = this.now();
    let topic = this.#topics.get(name);
    if (topic === undefined) {
      if (this.#topics.size >= this.#sweepAt) this.#sweep(now);
      this.#topics.set(name, (topic = new SharedTopic()));
    }
    topic.touchedAt = now;
    return topic;
  }

  /** Looks at each topic once for every one that is added, on the average. */
  #sweep(now: number): void {
    for (const [name, topic] of this.#topics) {
      if (topic.listeners.size === 0 && now - topic.touchedAt > topic.maxAgeMs) this.#topics.delete(name);
    }
    this.#sweepAt = Math.max(MIN_SWEEP, this.#topics.size * 2);
  }
}

interface Held {
  readonly message: BrokerMessage;
  readonly bytes: number;
}

/** A topic, as all processes see it. Its messages have the offsets 1, 2, 3 ..., which go on from epoch to epoch. */
class SharedTopic {
  readonly listeners = new Map<Member, Listening>();
  readonly #byMessageId = new Map<string, BrokerMessage>();
  epoch = randomName(8);
  touchedAt = 0;
  maxAgeMs = 0;
  /** The messages after `#floor`, and before them some places that are empty. */
  #held: (Held | undefined)[] = [];
  #empty = 0;
  #floor = 0;
  #bytes = 0;

  get #head(): number {
    return this.#floor + this.#held.length - this.#empty;
  }

  /** Adds a message, unless it is there: then it gives the first. */
  add({ bytes, ...publication }: BrokerPublication, bounds: LogBounds, now: number): BrokerMessage {
    this.maxAgeMs = bounds.maxAgeMs;
    this.#trim(bounds, now);
    const { messageId } = publication;
    const first = messageId === undefined ? undefined : this.#byMessageId.get(messageId);
    if (first !== undefined) return first;
    const message: BrokerMessage = { ...publication, offset: this.#head + 1, at: now };
    this.#held.push({ message, bytes });
    this.#bytes += bytes;
    if (messageId !== undefined) this.#byMessageId.set(messageId, message);
    this.#trim(bounds, now);
    for (const [member, listening] of this.listeners) {
      member.tell({ listening, notice: { epoch: this.epoch, previous: message.offset - 1, message } });
    }
    return message;
  }

  /** Begins another epoch, which holds nothing yet. */
  renew(): void {
    this.#floor = this.#head;
    this.#held = [];
    this.#empty = this.#bytes = 0;
    this.epoch = randomName(8);
  }

  /** What is too old is not told of, though it may be held until the next message. */
  history(after: number, { maxAgeMs }: LogBounds, now: number): History {
    let floor = this.#floor;
    while (floor < this.#head && now - this.#at(floor + 1).message.at > maxAgeMs) floor += 1;
    const messages: BrokerMessage[] = [];
    let room = PAGE_BYTES;
    for (let offset = Math.max(after, floor) + 1; offset <= this.#head && messages.length < PAGE_ENTRIES; offset += 1) {
      const { message, bytes } = this.#at(offset);
      room -= bytes;
      if (room < 0 && messages.length > 0) break;
      messages.push(message);
    }
    return { epoch: this.epoch, floor, head: this.#head, messages, now };
  }

  #at(offset: number): Held {
    return this.#held[this.#empty + offset - this.#floor - 1] as Held;
  }

  #trim({ maxEntries, maxBytes, maxAgeMs }: LogBounds, now: number): void {
    while (this.#head > this.#floor) {
      const { message, bytes } = this.#at(this.#floor + 1);
      const size = this.#head - this.#floor;
      const over = size > maxEntries || (this.#bytes > maxBytes && size > 1);
      if (!over && now - message.at <= maxAgeMs) break;
      this.#held[this.#empty] = undefined;
      this.#empty += 1;
      this.#floor += 1;
      this.#bytes -= bytes;
    }
    if (this.#empty * 2 > this.#held.length) {
      this.#held.splice(0, this.#empty);
      this.#empty = 0;
    }
    // An id is known for as long as a message may be held, however many come after it.
    for (const [messageId, { at }] of this.#byMessageId) {
      if (now - at <= maxAgeMs) break;
      this.#byMessageId.delete(messageId);
    }
  }
}

/** That one member listens to one topic. */
interface Listening {
  readonly listener: (notice: Notice) => void;
  isOver: boolean;
}

/** What a member is yet to tell its hub. */
type News = { readonly listening: Listening; readonly notice: Notice } | { readonly text: string };

class Member implements Broker {
  readonly name = "memory";
  readonly isDense = true;
  readonly #exchange: Exchange;
  readonly #topics = new Map<string, SharedTopic>();
  readonly #news = new Queue<News>();
  #host: BrokerHost | undefined;
  #isScheduled = false;
  #isClosed = false;

  constructor(exchange: Exchange) {
    this.#exchange = exchange;
    exchange.members.add(this);
  }

  attach(host: BrokerHost): void {
    this.#host = host;
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- what is thrown is a rejection
  async publish(topic: string, message: BrokerPublication, bounds: LogBounds): Promise<Position> {
    const shared = this.#open(topic);
    const { offset } = shared.add(message, bounds, this.#exchange.now());
    return { epoch: shared.epoch, offset };
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as above
  async read(topic: string, after: number, bounds: LogBounds): Promise<History> {
    return this.#open(topic).history(after, bounds, this.#exchange.now());
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as above
  async listen(topic: string, listener: (notice: Notice) => void): Promise<void> {
    const shared = this.#open(topic);
    shared.listeners.set(this, { listener, isOver: false });
    this.#topics.set(topic, shared);
  }

  unlisten(topic: string): void {
    const shared = this.#topics.get(topic);
    const listening = shared?.listeners.get(this);
    if (listening !== undefined) listening.isOver = true;
    shared?.listeners.delete(this);
    this.#topics.delete(topic);
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as above
  async renew(topic: string, epoch: string): Promise<void> {
    const shared = this.#open(topic);
    if (shared.epoch === epoch) shared.renew();
  }

  signal(text: string): void {
    if (this.#isClosed) return;
    for (const member of this.#exchange.members) member.tell({ text });
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- as above
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#exchange.members.delete(this);
    for (const topic of this.#topics.keys()) this.unlisten(topic);
    this.#news.clear();
  }

  /** Keeps what is to be told until a turn of its own. */
  tell(news: News): void {
    this.#news.push(news);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled || this.#news.size === 0) return;
    this.#isScheduled = true;
    afterTurn(() => this.#tellAll());
  }

  /** What comes meanwhile has to wait for the next turn, and what a listener that throws has kept from others. */
  #tellAll(): void {
    this.#isScheduled = false;
    try {
      for (let left = this.#news.size; left > 0 && this.#news.size > 0; left -= 1) {
        const news = this.#news.shift();
        if ("text" in news) this.#host?.signalled(news.text);
        else if (!news.listening.isOver) news.listening.listener(news.notice);
      }
    } finally {
      this.#schedule();
    }
  }

  #open(topic: string): SharedTopic {
    if (this.#isClosed) throw new CometError("ERR_CLOSED", "The broker is closed.");
    return this.#exchange.topic(topic);
  }
}

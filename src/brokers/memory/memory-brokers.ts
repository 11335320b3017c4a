import { CometError } from "../../core/errors.ts";
import { Queue } from "../../core/queue.ts";
import { randomName } from "../../core/random-name.ts";
import { afterTurn } from "../../core/turn.ts";
import type { Broker, BrokerHost, BrokerMessage, BrokerPublication, History, Notice } from "../../log/broker.ts";
import type { LogBounds } from "../../log/entry.ts";
import type { Position } from "../../log/position.ts";

/** The size of one answer to `read`, so that it reads in pages as every other broker does. */
const PAGE_ENTRIES = 500;
const PAGE_BYTES = 262_144;

/** The least number of topics at which unused ones are evicted. */
const MIN_SWEEP = 64;

/**
 * Topics in the memory of this process, shared by all hubs that join: for tests of an application that is to run in several processes,
 * and the smallest example of a broker.
 *
 * Each topic is bounded as the hubs configure. A topic without listeners is evicted some time after its messages have become too old,
 * and begins another epoch when it is used again.
 *
 * @example
 * ```ts
 * const memory = new MemoryBrokers();
 * const hubs = [new Hub({ broker: memory.join() }), new Hub({ broker: memory.join() })];
 * ```
 */
export class MemoryBrokers {
  readonly #exchange = new MemoryExchange();

  /** Creates a broker for one hub. The hub closes it; its calls then reject with `ERR_CLOSED`, and the topics remain. */
  join(): Broker {
    return new MemoryBroker(this.#exchange);
  }
}

/** The state that all brokers of one `MemoryBrokers` share. */
class MemoryExchange {
  readonly brokers = new Set<MemoryBroker>();
  readonly #topics = new Map<string, MemoryTopic>();
  #sweepAt = MIN_SWEEP;
  #latest = 0;

  /** The wall clock. It never goes back. */
  now(): number {
    return (this.#latest = Math.max(this.#latest, Date.now()));
  }

  topic(name: string): MemoryTopic {
    const now = this.now();
    let topic = this.#topics.get(name);
    if (topic === undefined) {
      if (this.#topics.size >= this.#sweepAt) this.#sweep(now);
      this.#topics.set(name, (topic = new MemoryTopic()));
    }
    topic.touchedAt = now;
    return topic;
  }

  /** Evicts unused topics. On average it examines one topic for each that is added. */
  #sweep(now: number): void {
    for (const [name, topic] of this.#topics) {
      if (topic.subscriptions.size === 0 && now - topic.touchedAt > topic.maxAgeMs) this.#topics.delete(name);
    }
    this.#sweepAt = Math.max(MIN_SWEEP, this.#topics.size * 2);
  }
}

interface HeldMessage {
  readonly message: BrokerMessage;
  readonly bytes: number;
}

/** A topic, as all processes see it. Its messages have the offsets 1, 2, 3 ..., which continue from epoch to epoch. */
class MemoryTopic {
  readonly subscriptions = new Map<MemoryBroker, MemorySubscription>();
  readonly #byMessageId = new Map<string, BrokerMessage>();
  epoch = randomName(8);
  touchedAt = 0;
  maxAgeMs = 0;
  /** The messages after `#floor`, with `#empty` unused elements before them. */
  #held: (HeldMessage | undefined)[] = [];
  #empty = 0;
  #floor = 0;
  #bytes = 0;

  get #head(): number {
    return this.#floor + this.#held.length - this.#empty;
  }

  /** Adds a message and returns it, or returns the first message with the same id. */
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
    for (const [broker, subscription] of this.subscriptions) {
      broker.enqueue({ subscription, notice: { epoch: this.epoch, previous: message.offset - 1, message } });
    }
    return message;
  }

  /** Begins another, empty epoch. */
  renew(): void {
    this.#floor = this.#head;
    this.#held = [];
    this.#empty = this.#bytes = 0;
    this.epoch = randomName(8);
  }

  /** Reads a page. Messages that are too old are left out, though they may be held until the next message is added. */
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

  #at(offset: number): HeldMessage {
    return this.#held[this.#empty + offset - this.#floor - 1] as HeldMessage;
  }

  #trim({ maxEntries, maxBytes, maxAgeMs }: LogBounds, now: number): void {
    while (this.#head > this.#floor) {
      const { message, bytes } = this.#at(this.#floor + 1);
      const size = this.#head - this.#floor;
      const isOver = size > maxEntries || (this.#bytes > maxBytes && size > 1);
      if (!isOver && now - message.at <= maxAgeMs) break;
      this.#held[this.#empty] = undefined;
      this.#empty += 1;
      this.#floor += 1;
      this.#bytes -= bytes;
    }
    if (this.#empty * 2 > this.#held.length) {
      this.#held.splice(0, this.#empty);
      this.#empty = 0;
    }
    // An id is remembered for maxAgeMs, even if its message is trimmed before.
    for (const [messageId, { at }] of this.#byMessageId) {
      if (now - at <= maxAgeMs) break;
      this.#byMessageId.delete(messageId);
    }
  }
}

/** One broker listens to one topic. */
interface MemorySubscription {
  readonly listener: (notice: Notice) => void;
  isOver: boolean;
}

/** A call of the hub that a broker has yet to make. */
type MemoryEvent = { readonly subscription: MemorySubscription; readonly notice: Notice } | { readonly text: string };

/** The broker of one hub. */
class MemoryBroker implements Broker {
  readonly name = "memory";
  readonly isDense = true;
  readonly #exchange: MemoryExchange;
  readonly #topics = new Map<string, MemoryTopic>();
  readonly #events = new Queue<MemoryEvent>();
  #host: BrokerHost | undefined;
  #isScheduled = false;
  #isClosed = false;

  constructor(exchange: MemoryExchange) {
    this.#exchange = exchange;
    exchange.brokers.add(this);
  }

  attach(host: BrokerHost): void {
    this.#host = host;
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- a thrown error becomes a rejection
  async publish(topic: string, message: BrokerPublication, bounds: LogBounds): Promise<Position> {
    const shared = this.#topic(topic);
    const { offset } = shared.add(message, bounds, this.#exchange.now());
    return { epoch: shared.epoch, offset };
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- a thrown error becomes a rejection
  async read(topic: string, after: number, bounds: LogBounds): Promise<History> {
    return this.#topic(topic).history(after, bounds, this.#exchange.now());
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- a thrown error becomes a rejection
  async listen(topic: string, listener: (notice: Notice) => void): Promise<void> {
    const shared = this.#topic(topic);
    shared.subscriptions.set(this, { listener, isOver: false });
    this.#topics.set(topic, shared);
  }

  unlisten(topic: string): void {
    const shared = this.#topics.get(topic);
    const subscription = shared?.subscriptions.get(this);
    if (subscription !== undefined) subscription.isOver = true;
    shared?.subscriptions.delete(this);
    this.#topics.delete(topic);
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- a thrown error becomes a rejection
  async renew(topic: string, epoch: string): Promise<void> {
    const shared = this.#topic(topic);
    if (shared.epoch === epoch) shared.renew();
  }

  signal(text: string): void {
    if (this.#isClosed) return;
    for (const broker of this.#exchange.brokers) broker.enqueue({ text });
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- a thrown error becomes a rejection
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#exchange.brokers.delete(this);
    for (const topic of this.#topics.keys()) this.unlisten(topic);
    this.#events.clear();
  }

  /** Queues a call of the hub for a turn of its own. */
  enqueue(event: MemoryEvent): void {
    this.#events.push(event);
    this.#schedule();
  }

  #schedule(): void {
    if (this.#isScheduled || this.#events.size === 0) return;
    this.#isScheduled = true;
    afterTurn(() => this.#deliver());
  }

  /**
   * Delivers the events that are queued now. Events that are added meanwhile, and those after a listener that throws, are delivered in the
   * next turn.
   */
  #deliver(): void {
    this.#isScheduled = false;
    try {
      for (let left = this.#events.size; left > 0 && this.#events.size > 0; left -= 1) {
        const event = this.#events.shift();
        if ("text" in event) this.#host?.signalled(event.text);
        else if (!event.subscription.isOver) event.subscription.listener(event.notice);
      }
    } finally {
      this.#schedule();
    }
  }

  #topic(name: string): MemoryTopic {
    if (this.#isClosed) throw new CometError("ERR_CLOSED", "The broker is closed.");
    return this.#exchange.topic(name);
  }
}

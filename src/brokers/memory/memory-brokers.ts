import { CometError } from "../../core/errors.ts";
import { Queue } from "../../core/queue.ts";
import { afterTurn } from "../../core/turn.ts";
import type {
  Broker,
  BrokerHost,
  BrokerPublication,
  FiniteTopics,
  History,
  Notice,
  TopicBounds,
} from "../../log/broker.ts";
import type { Position } from "../../log/position.ts";
import { MemoryTopic } from "./memory-topic.ts";

/** The least number of topics at which unused ones are evicted. */
const MIN_SWEEP = 64;

/**
 * Topics in the memory of this process, shared by all hubs that join: for tests of an application that is to run in several processes,
 * and the smallest example of a broker.
 *
 * Each topic is bounded as the hubs configure. A topic without listeners is evicted some time after its messages have become too old,
 * and begins another epoch when it is used again. Topics that end are kept as the contract says, with leases of producers.
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

/** A topic, and the brokers that listen to it. */
interface SharedTopic {
  readonly topic: MemoryTopic;
  readonly subscriptions: Map<MemoryBroker, MemorySubscription>;
}

/** One broker listens to one topic. */
interface MemorySubscription {
  readonly listener: (notice: Notice) => void;
  isOver: boolean;
}

/** The state that all brokers of one `MemoryBrokers` share. */
class MemoryExchange {
  readonly brokers = new Set<MemoryBroker>();
  readonly #topics = new Map<string, SharedTopic>();
  #sweepAt = MIN_SWEEP;
  #latest = 0;

  /** The wall clock. It never goes back. */
  now(): number {
    return (this.#latest = Math.max(this.#latest, Date.now()));
  }

  topic(name: string): SharedTopic {
    const now = this.now();
    let shared = this.#topics.get(name);
    if (shared === undefined) {
      if (this.#topics.size >= this.#sweepAt) this.#sweep(now);
      const subscriptions = new Map<MemoryBroker, MemorySubscription>();
      const notify = (notice: Notice): void => {
        for (const [broker, subscription] of subscriptions) broker.enqueue({ subscription, notice });
      };
      this.#topics.set(name, (shared = { topic: new MemoryTopic(name, notify), subscriptions }));
    }
    shared.topic.touch(now);
    return shared;
  }

  /** Evicts unused topics. On average it examines one topic for each that is added. */
  #sweep(now: number): void {
    for (const [name, { topic, subscriptions }] of this.#topics) {
      if (subscriptions.size === 0 && topic.isUnused(now)) this.#topics.delete(name);
    }
    this.#sweepAt = Math.max(MIN_SWEEP, this.#topics.size * 2);
  }
}

/** A call of the hub that a broker has yet to make. */
type MemoryEvent = { readonly subscription: MemorySubscription; readonly notice: Notice } | { readonly text: string };

/** The broker of one hub. */
class MemoryBroker implements Broker {
  readonly name = "memory";
  readonly isDense = true;
  readonly finite: FiniteTopics;
  readonly #exchange: MemoryExchange;
  readonly #listening = new Map<string, SharedTopic>();
  readonly #events = new Queue<MemoryEvent>();
  #host: BrokerHost | undefined;
  #isScheduled = false;
  #isClosed = false;

  constructor(exchange: MemoryExchange) {
    this.#exchange = exchange;
    exchange.brokers.add(this);
    this.finite = {
      maxKeptMs: Infinity,
      acquire: (topic, request, bounds) => this.#run(topic, (shared, now) => shared.acquire(request, bounds, now)),
      renewLease: (topic, fence, ms) => this.#run(topic, (shared, now) => shared.renewLease(fence, ms, now)),
      settle: (topic, end, bounds) => this.#run(topic, (shared, now) => shared.settle(end, bounds, now)),
      delete: (topic) => this.#run(topic, (shared) => shared.delete()),
    };
  }

  attach(host: BrokerHost): void {
    this.#host = host;
  }

  publish(topic: string, message: BrokerPublication, bounds: TopicBounds): Promise<Position> {
    return this.#run(topic, (shared, now) => shared.publish(message, bounds, now));
  }

  read(topic: string, after: number, bounds: TopicBounds): Promise<History> {
    return this.#run(topic, (shared, now) => shared.history(after, bounds, now));
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- a thrown error becomes a rejection
  async listen(topic: string, listener: (notice: Notice) => void): Promise<void> {
    const shared = this.#shared(topic);
    shared.subscriptions.set(this, { listener, isOver: false });
    this.#listening.set(topic, shared);
  }

  unlisten(topic: string): void {
    const subscriptions = this.#listening.get(topic)?.subscriptions;
    const subscription = subscriptions?.get(this);
    if (subscription !== undefined) subscription.isOver = true;
    subscriptions?.delete(this);
    this.#listening.delete(topic);
  }

  renew(topic: string, epoch: string): Promise<void> {
    return this.#run(topic, (shared) => shared.renew(epoch));
  }

  signal(text: string): void {
    if (this.#isClosed) return;
    for (const broker of this.#exchange.brokers) broker.enqueue({ text });
  }

  // eslint-disable-next-line @typescript-eslint/require-await -- a thrown error becomes a rejection
  async close(): Promise<void> {
    this.#isClosed = true;
    this.#exchange.brokers.delete(this);
    for (const topic of this.#listening.keys()) this.unlisten(topic);
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

  /** Runs an operation of a topic. A thrown error becomes a rejection. */
  // eslint-disable-next-line @typescript-eslint/require-await
  async #run<R>(name: string, operate: (topic: MemoryTopic, now: number) => R): Promise<R> {
    return operate(this.#shared(name).topic, this.#exchange.now());
  }

  #shared(name: string): SharedTopic {
    if (this.#isClosed) throw new CometError("ERR_CLOSED", "The broker is closed.");
    return this.#exchange.topic(name);
  }
}

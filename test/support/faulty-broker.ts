import { CometError } from "../../src/core/errors.ts";
import type {
  Broker,
  BrokerHost,
  BrokerPublication,
  FiniteTopics,
  History,
  Notice,
  TopicBounds,
} from "../../src/log/broker.ts";
import type { Position } from "../../src/log/position.ts";

/** Wraps a broker, and fails as a test demands. */
export class FaultyBroker implements Broker {
  readonly name = "faulty";
  readonly isDense: boolean;
  readonly finite: FiniteTopics | undefined;
  readonly #broker: Broker;
  #host: BrokerHost | undefined;
  #isCut = false;
  /** The number of next notices that are dropped, without a `lost`. */
  loses = 0;
  /** Each read waits for this promise. */
  gate: Promise<unknown> = Promise.resolve();
  /** Each read throws this error, if there is one. */
  failure: unknown;
  /** Which messages are not published. */
  refuses: (message: BrokerPublication) => boolean = () => false;
  reads = 0;
  /** The most messages of one page. */
  readonly #page: number;
  /** The offsets after which messages were read, and the most reads that were under way at a time. */
  readonly askedAfter: number[] = [];
  mostReads = 0;
  #reading = 0;
  /** The number of notices so far, dropped ones included. */
  told = 0;
  listens = 0;
  isClosed = false;

  /** @param options Whether it counts its messages, and the most messages of one page. */
  constructor(
    broker: Broker,
    { isDense = broker.isDense, page = Infinity }: { isDense?: boolean; page?: number } = {},
  ) {
    this.#broker = broker;
    this.isDense = isDense;
    this.#page = page;
    const { finite } = broker;
    this.finite = finite && {
      maxKeptMs: finite.maxKeptMs,
      acquire: (topic, request, bounds) => this.#reach(() => finite.acquire(topic, request, bounds)),
      renewLease: (topic, fence, leaseMs) => this.#reach(() => finite.renewLease(topic, fence, leaseMs)),
      settle: (topic, end, bounds) => this.#reach(() => finite.settle(topic, end, bounds)),
      delete: (topic) => this.#reach(() => finite.delete(topic)),
    };
  }

  attach(host: BrokerHost): void {
    this.#host = host;
    this.#broker.attach({ ...host, signalled: (text) => this.#isCut || host.signalled(text) });
  }

  /** Loses the connection until `restore`: notices are dropped, and calls reject. */
  cut(): void {
    this.#isCut = true;
    this.#host?.lost(new Error("cut"));
  }

  restore(): void {
    this.#isCut = false;
    this.#host?.restored();
  }

  async publish(topic: string, message: BrokerPublication, bounds: TopicBounds): Promise<Position> {
    this.#assertThere();
    if (this.refuses(message)) throw new CometError("ERR_BROKER", "The server was busy for one message.");
    return this.#broker.publish(topic, message, bounds);
  }

  async read(topic: string, after: number, bounds: TopicBounds, current: number): Promise<History> {
    this.#assertThere();
    this.reads += 1;
    this.askedAfter.push(after);
    this.#reading += 1;
    this.mostReads = Math.max(this.mostReads, this.#reading);
    try {
      await this.gate;
      if (this.failure !== undefined) throw this.failure;
      const history = await this.#broker.read(topic, after, bounds, current);
      return { ...history, messages: history.messages.slice(0, this.#page) };
    } finally {
      this.#reading -= 1;
    }
  }

  async listen(topic: string, listener: (notice: Notice) => void): Promise<void> {
    this.#assertThere();
    this.listens += 1;
    await this.#broker.listen(topic, (notice) => {
      this.told += 1;
      if (this.#isCut) return;
      if (this.loses > 0) this.loses -= 1;
      else listener(notice);
    });
  }

  unlisten(topic: string): void {
    this.listens -= 1;
    this.#broker.unlisten(topic);
  }

  async renew(topic: string, epoch: string): Promise<void> {
    this.#assertThere();
    await this.#broker.renew(topic, epoch);
  }

  signal(text: string): void {
    if (!this.#isCut) this.#broker.signal(text);
  }

  async close(): Promise<void> {
    this.isClosed = true;
    await this.#broker.close();
  }

  async #reach<R>(call: () => Promise<R>): Promise<R> {
    this.#assertThere();
    return call();
  }

  #assertThere(): void {
    if (this.#isCut) throw new CometError("ERR_BROKER", "There is no connection.");
  }
}

/** A broker that does not keep topics that end, as brokers of users may be. */
export function withoutFinite(broker: Broker): Broker {
  return Object.assign(broker, { finite: undefined });
}

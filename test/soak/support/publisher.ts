import type { Hub } from "comet-sockets";
import type { Numbered } from "./ledger.ts";
import { placesOf } from "./position.ts";
import { Random } from "./random.ts";

export interface PublishOrder {
  readonly seed: number;
  readonly topics: readonly string[];
  /** Messages a second, of all topics together. */
  readonly perSecond: number;
  /** What fills a message up, in characters. */
  readonly minFill: number;
  readonly maxFill: number;
  /** How many keys there are; 0 for messages without. */
  readonly keys: number;
}

/** What was published to a topic in one of its epochs: the numbers after `base` up to `base + head`. */
export interface EpochTruth {
  readonly topic: string;
  readonly epoch: string;
  readonly base: number;
  head: number;
}

export interface PublishedTruth {
  readonly published: number;
  readonly epochs: readonly EpochTruth[];
  /** For each topic, the newest number of each key. */
  readonly newest: { readonly [topic: string]: { readonly [key: string]: number } };
}

const TICK_MS = 10;
/** Characters of one to four bytes, and those that wires must escape. */
const FILLING = "abcdefghijklmnop<>&\"\\\u2028é漢😀\n'/".repeat(1000);

/** Publishes numbered messages at a rate, in bursts of random size, to whichever hub there is just now. */
export class Publisher {
  readonly #hub: () => Hub;
  readonly #order: PublishOrder;
  readonly #random: Random;
  readonly #numbers = new Map<string, number>();
  readonly #epochs = new Map<string, EpochTruth>();
  readonly #newest: Record<string, Record<string, number>> = {};
  #published = 0;
  #stopped = false;
  #done: Promise<void> | undefined;

  constructor(hub: () => Hub, order: PublishOrder) {
    this.#hub = hub;
    this.#order = order;
    this.#random = new Random(order.seed);
  }

  start(): void {
    this.#done = this.#run();
  }

  /** Resolves to the truth once all is published. */
  async stop(): Promise<PublishedTruth> {
    this.#stopped = true;
    await this.#done;
    return { published: this.#published, epochs: [...this.#epochs.values()], newest: this.#newest };
  }

  async #run(): Promise<void> {
    const start = performance.now();
    let tries = 0;
    while (!this.#stopped) {
      const due = Math.floor(((performance.now() - start) / 1000) * this.#order.perSecond) - tries;
      const burst = this.#random.whole(0, Math.min(2 * due, 10_000));
      tries += burst;
      const inOneTurn = this.#random.chance(0.5);
      const given: Promise<void>[] = [];
      for (let i = 0; i < burst; i += 1) {
        given.push(this.#publish());
        if (!inOneTurn) await given.at(-1);
      }
      await Promise.all(given);
      await new Promise((resolve) => setTimeout(resolve, TICK_MS));
    }
  }

  async #publish(): Promise<void> {
    const { topics, minFill, maxFill, keys } = this.#order;
    const t = this.#random.pick(topics);
    const n = (this.#numbers.get(t) ?? 0) + 1;
    const from = this.#random.whole(0, 100);
    const fill = FILLING.slice(from, from + this.#random.whole(minFill, maxFill)).toWellFormed();
    const key = keys > 0 && this.#random.chance(0.9) ? `k${this.#random.whole(1, keys)}` : undefined;
    const message: Numbered = key === undefined ? { t, n, fill } : { t, n, k: key, fill };
    let given: Promise<string>;
    try {
      given = this.#hub()
        .topic(t)
        .publish({ ...message }, key === undefined ? {} : { key });
    } catch (error) {
      // Nothing is published while there is no hub.
      if ((error as { code?: string }).code === "ERR_CLOSED") return;
      throw error;
    }
    this.#numbers.set(t, n);
    this.#published += 1;
    if (key !== undefined) (this.#newest[t] ??= {})[key] = n;
    this.#settle(t, n, await given);
  }

  #settle(topic: string, n: number, position: string): void {
    const place = placesOf(position).get(topic);
    if (place === undefined) throw new Error(`Publishing to ${topic} gave the position ${position}.`);
    const id = `${topic} ${place.epoch}`;
    const base = n - place.offset;
    const truth = this.#epochs.get(id) ?? { topic, epoch: place.epoch, base, head: 0 };
    if (truth.base !== base) throw new Error(`${topic}: number ${n} was given offset ${place.offset}.`);
    truth.head = Math.max(truth.head, place.offset);
    this.#epochs.set(id, truth);
  }
}

import { CometError } from "../core/errors.ts";
import type { OnError } from "../core/on-error.ts";
import type { Broker } from "../log/broker.ts";
import type { LogBounds, Publication } from "../log/entry.ts";
import type { Position } from "../log/position.ts";
import { Feed } from "./feed.ts";
import type { LiveTopic } from "./live-topic.ts";
import type { HubStats } from "./stats.ts";
import type { TopicFeeds } from "./topics.ts";

/** What may wait for the broker to say that it has it: messages, and their bytes. */
const MAX_UNACKNOWLEDGED = 10_000;
const MAX_UNACKNOWLEDGED_BYTES = 16_777_216;
/** How many topics are read at once, so that ten thousand do not come upon a broker that has just come back. */
const MAX_READS = 64;

/** What feeds need of their hub beside the broker. */
export interface FeedsHost {
  /** Adds to a topic what the broker has published so many milliseconds ago. */
  append(topic: LiveTopic, message: Publication, offset: number, agoMs: number): void;
  /** Begins a topic's log anew: see `Log.restart`. */
  restart(topic: LiveTopic, epoch: string, offset: number): void;
  /** Told of every signal of a process. */
  signalled(text: string): void;
  /** Told when the broker is there again: signals may have been missed. */
  restored(): void;
  readonly onError: OnError;
}

/** A hub's part of a broker: the feeds of the topics that are followed here, and what is published. */
export class Feeds implements TopicFeeds {
  readonly broker: Broker;
  readonly #host: FeedsHost;
  readonly #feeds = new Set<Feed>();
  readonly #turns: (() => void)[] = [];
  #reads = 0;
  #isLost = false;
  #unacknowledged = 0;
  #unacknowledgedBytes = 0;

  constructor(broker: Broker, host: FeedsHost) {
    this.broker = broker;
    this.#host = host;
    broker.attach({
      lost: (error) => {
        this.#isLost = true;
        host.onError(new CometError("ERR_BROKER", "The broker is lost; coming back is being tried.", { cause: error }));
      },
      restored: () => {
        this.#isLost = false;
        for (const feed of this.#feeds) feed.restored();
        host.restored();
      },
      signalled: (text) => host.signalled(text),
    });
  }

  get isDense(): boolean {
    return this.broker.isDense;
  }

  stats(): Required<HubStats>["broker"] {
    return {
      name: this.broker.name,
      isConnected: !this.#isLost,
      feeds: this.#feeds.size,
      unacknowledged: this.#unacknowledged,
    };
  }

  /** Makes what keeps a topic's log the same as the broker's. It begins when it is first asked to `refresh`. */
  open(topic: LiveTopic): Feed {
    const feed = new Feed(topic.log, topic.bounds, {
      broker: this.broker,
      append: (message, offset, agoMs) => this.#host.append(topic, message, offset, agoMs),
      restart: (epoch, offset) => this.#host.restart(topic, epoch, offset),
      inTurn: (ask) => this.#inTurn(ask),
      onError: this.#host.onError,
    });
    this.#feeds.add(feed);
    return feed;
  }

  close(feed: Feed): void {
    this.#feeds.delete(feed);
    feed.stop();
  }

  /** @returns Rejects with `ERR_BROKER` and `ERR_UNACKNOWLEDGED`, as the contract has it; and if too much waits already. */
  async publish(topic: string, message: Publication, bounds: LogBounds): Promise<Position> {
    if (
      this.#unacknowledged >= MAX_UNACKNOWLEDGED ||
      this.#unacknowledgedBytes + message.bytes > MAX_UNACKNOWLEDGED_BYTES
    ) {
      const waiting = `${this.#unacknowledged} messages of ${this.#unacknowledgedBytes} bytes`;
      throw new CometError("ERR_BROKER", `The message is not published: ${waiting} wait for the broker already.`);
    }
    this.#unacknowledged += 1;
    this.#unacknowledgedBytes += message.bytes;
    try {
      return await this.broker.publish(topic, message, bounds);
    } finally {
      this.#unacknowledged -= 1;
      this.#unacknowledgedBytes -= message.bytes;
    }
  }

  /** Lets go of the broker. */
  async end(): Promise<void> {
    for (const feed of this.#feeds) feed.stop();
    this.#feeds.clear();
    try {
      await this.broker.close();
    } catch (error) {
      this.#host.onError(error);
    }
  }

  async #inTurn<T>(ask: () => Promise<T>): Promise<T> {
    if (this.#reads === MAX_READS) await new Promise<void>((resolve) => this.#turns.push(resolve));
    else this.#reads += 1;
    try {
      return await ask();
    } finally {
      const next = this.#turns.shift();
      if (next === undefined) this.#reads -= 1;
      else next();
    }
  }
}

/**
 * Waits until a log can tell where a client begins: it is loaded, and has what the client's position names, if there is such a message.
 *
 * @returns Nothing where nothing waits. Rejects with the broker's error if it could not be asked.
 */
export function whenReady({ log, feed }: LiveTopic, place: Position | undefined): Promise<void> | undefined {
  if (feed === undefined) return undefined;
  const isKnown = place === undefined || log.indexOf(place.epoch, place.offset) !== undefined;
  return feed.isLoaded && isKnown ? undefined : feed.refresh();
}

import { CometError, describe } from "../../core/errors.ts";
import { unrefTimeout, type Timer } from "../../core/timers.ts";
import { endPublication } from "../../log/entry.ts";
import type { TopicEnd } from "../../wire/item.ts";
import type { BrokerLink } from "./broker-link.ts";
import type { LiveTopic } from "./live-topic.ts";

/** The end of a topic whose producer has died, or was cut off from the broker for too long. */
const DIED: Omit<TopicEnd, "topic"> = {
  outcome: "failed",
  code: "ERR_PRODUCER_LOST",
  message: "The server that produced this topic was lost.",
};

/** The time in milliseconds until the broker is asked again about a topic that has not begun, or after a failure. */
const SOON_MS = 1000;
/** The same for a topic that has begun and has no producer. */
const LATER_MS = 10_000;
/** The time in milliseconds that a lease is given beyond its own. */
const GRACE_MS = 20;

/**
 * Sees to it that nobody waits for a producer in another process that has died.
 *
 * While a topic that ends is followed here and has not ended, it asks the broker when the producer's lease lapses, and
 * has it end the topic then. It notices as well that a topic has begun before its first message, and that it was deleted.
 */
export class ProducerWatch {
  readonly #link: BrokerLink;
  readonly #refresh: (topic: LiveTopic) => Promise<void>;
  readonly #timers = new Map<LiveTopic, Timer | undefined>();
  /** The topics that have had a lease. */
  readonly #leased = new WeakSet<LiveTopic>();
  #isClosed = false;

  /** @param refresh Waits until the log of a topic has what the broker has, or the topic is forgotten. */
  constructor(link: BrokerLink, refresh: (topic: LiveTopic) => Promise<void>) {
    this.#link = link;
    this.#refresh = refresh;
  }

  /** Begins to watch a topic if somebody waits for it. Called when that may have changed. */
  update(topic: LiveTopic): void {
    if (this.#isClosed || this.#timers.has(topic) || !isWaitedFor(topic)) return;
    this.#lookIn(topic, topic.isAwaited ? SOON_MS : 0);
  }

  close(): void {
    this.#isClosed = true;
    for (const timer of this.#timers.values()) clearTimeout(timer);
    this.#timers.clear();
  }

  #lookIn(topic: LiveTopic, ms: number): void {
    this.#timers.set(
      topic,
      unrefTimeout(() => void this.#look(topic), ms),
    );
  }

  async #look(topic: LiveTopic): Promise<void> {
    let nextMs = SOON_MS;
    try {
      if (isWaitedFor(topic)) nextMs = await this.#settle(topic);
    } catch (error) {
      this.#report(topic, error);
    }
    if (this.#isClosed) return;
    if (isWaitedFor(topic)) this.#lookIn(topic, nextMs);
    else this.#timers.delete(topic);
  }

  /** Ends a topic whose producer has died. Returns the time in milliseconds until it is to be looked at again. */
  async #settle(topic: LiveTopic): Promise<number> {
    const { name } = topic;
    const { bounds } = topic.settings;
    const end = endPublication({ topic: name, ...DIED });
    const leftMs = topic.isAwaited ? undefined : await this.#link.reads.run(() => this.#link.settle(name, end, bounds));
    if (leftMs !== undefined) {
      this.#leased.add(topic);
      return leftMs >= 0 ? leftMs + GRACE_MS : SOON_MS;
    }
    await this.#refresh(topic);
    // The broker has lost the lease, and with it the knowledge that a producer has died.
    if (isWaitedFor(topic) && this.#leased.delete(topic)) {
      await this.#link.publish(name, end, bounds);
    }
    return topic.isAwaited ? SOON_MS : LATER_MS;
  }

  #report({ name }: LiveTopic, error: unknown): void {
    // The link reports a lost broker. `ERR_ENDED`: another process was faster.
    const code = error instanceof CometError ? error.code : undefined;
    if (code === "ERR_BROKER" || code === "ERR_ENDED" || code === "ERR_CLOSED") return;
    const what = `The producer of the topic ${describe(name)} cannot be watched.`;
    this.#link.reportOnce(`${name} watch`, new CometError("ERR_BROKER", what, { cause: error }));
  }
}

/** Whether somebody follows a topic that ends, and has not ended. */
function isWaitedFor(topic: LiveTopic): boolean {
  return topic.life !== undefined && topic.isFollowed && !topic.isOver && !topic.isForgotten;
}

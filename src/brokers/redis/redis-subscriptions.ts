import type { Notice } from "../../log/broker.ts";
import { noticeOf } from "./message-codec.ts";

/** Topics whose time to live is extended at a time. */
const KEEP_BATCH = 100;

/** A topic with a listener in this process, and the last notice that it was called with. */
export interface RedisSubscription {
  readonly topic: string;
  readonly listener: (notice: Notice) => void;
  epoch: string;
  offset: number;
}

/** The topics with listeners in this process, by channel. */
export class RedisSubscriptions {
  readonly #byChannel = new Map<string, RedisSubscription>();
  readonly #onIgnored: (topic: string, what: string) => void;

  /** @param onIgnored Called with what another program has published to the channel of a topic. */
  constructor(onIgnored: (topic: string, what: string) => void) {
    this.#onIgnored = onIgnored;
  }

  get channels(): string[] {
    return [...this.#byChannel.keys()];
  }

  add(channel: string, topic: string, listener: (notice: Notice) => void): RedisSubscription {
    const subscription: RedisSubscription = { topic, listener, epoch: "", offset: 0 };
    this.#byChannel.set(channel, subscription);
    return subscription;
  }

  get(channel: string): RedisSubscription | undefined {
    return this.#byChannel.get(channel);
  }

  delete(channel: string): void {
    this.#byChannel.delete(channel);
  }

  clear(): void {
    this.#byChannel.clear();
  }

  /** Calls the listener with the notice of a message that it does not know yet. */
  receive(subscription: RedisSubscription, text: string): void {
    const notice = noticeOf(text);
    if (notice === undefined) {
      this.#onIgnored(subscription.topic, "a notice has no position");
      return;
    }
    const { epoch, message } = notice;
    if (epoch === subscription.epoch && message.offset <= subscription.offset) return;
    if (message.fault === undefined) {
      subscription.epoch = epoch;
      subscription.offset = message.offset;
    }
    subscription.listener(notice);
  }

  /** Corrects the offset of the last notice if no such message is stored: another program has published the notice. */
  noteHead(channel: string, epoch: string, head: number): void {
    const subscription = this.#byChannel.get(channel);
    if (subscription?.epoch === epoch) subscription.offset = Math.min(subscription.offset, head);
  }

  /**
   * Extends the time to live of all topics, in batches. What fails is tried again with the next call.
   *
   * @param keep Extends that of one topic.
   */
  async keep(keep: (topic: string) => Promise<unknown>): Promise<void> {
    const topics = Array.from(this.#byChannel.values(), ({ topic }) => topic);
    for (let i = 0; i < topics.length; i += KEEP_BATCH) {
      await Promise.allSettled(topics.slice(i, i + KEEP_BATCH).map(keep));
    }
  }
}

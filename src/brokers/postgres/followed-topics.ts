import type { BrokerMessage, Notice } from "../../log/broker.ts";
import type { TopicNews } from "./message-codec.ts";

/** A topic that this process listens to. */
export interface FollowedTopic {
  readonly name: string;
  readonly listener: (notice: Notice) => void;
  /** The id of its row; undefined until the server has answered. */
  id: number | undefined;
  epoch: string;
  /** The number of the last message that the listener was called with, or that was there before it. */
  after: number;
}

/** The topics with listeners in this process, and what each of them was notified of. */
export class FollowedTopics {
  readonly #byName = new Map<string, FollowedTopic>();
  readonly #byId = new Map<number, FollowedTopic>();

  get names(): string[] {
    return [...this.#byName.keys()];
  }

  get ids(): IterableIterator<number> {
    return this.#byId.keys();
  }

  /** Adds a topic whose row is not known yet. */
  add(name: string, listener: (notice: Notice) => void): FollowedTopic {
    this.delete(name);
    const topic: FollowedTopic = { name, listener, id: undefined, epoch: "", after: 0 };
    this.#byName.set(name, topic);
    return topic;
  }

  get(name: string): FollowedTopic | undefined {
    return this.#byName.get(name);
  }

  withId(id: number): FollowedTopic | undefined {
    return this.#byId.get(id);
  }

  delete(name: string): void {
    const topic = this.#byName.get(name);
    if (topic?.id !== undefined) this.#byId.delete(topic.id);
    this.#byName.delete(name);
  }

  clear(): void {
    this.#byName.clear();
    this.#byId.clear();
  }

  /**
   * Notes the row of a topic. What it has up to now is notified of only if the same row was known before.
   *
   * @returns Whether there may be messages to notify of.
   */
  resolve(name: string, { id, epoch, head }: { id: number; epoch: string; head: number }): boolean {
    const topic = this.#byName.get(name);
    if (topic === undefined) return false;
    const isKnown = topic.id === id && topic.epoch === epoch && topic.after <= head;
    if (topic.id !== undefined) this.#byId.delete(topic.id);
    this.#byId.set(id, topic);
    topic.id = id;
    topic.epoch = epoch;
    if (!isKnown) topic.after = head;
    return topic.after < head;
  }

  /** Forgets the rows: the connection is lost. */
  unresolve(): void {
    for (const topic of this.#byName.values()) topic.id = undefined;
    this.#byId.clear();
  }

  /** Calls the listener of a topic with a message that it was not called with. */
  notify(topic: FollowedTopic, epoch: string, message: BrokerMessage): void {
    if (this.#byName.get(topic.name) !== topic || message.offset <= topic.after) return;
    topic.epoch = epoch;
    topic.after = message.offset;
    topic.listener({ epoch, previous: message.offset - 1, message });
  }

  /**
   * Calls the listener of a topic with its news.
   *
   * @param after The number that the news follow.
   * @param isLast Whether the answer had messages of no topic.
   * @returns Whether more is to be fetched.
   */
  receive(topic: FollowedTopic, after: number, news: TopicNews, isLast: boolean): boolean {
    const { epoch = "", head, start, previousEpoch, messages } = news;
    const isStale = topic.after !== after;
    for (const message of messages) {
      if (message.offset > start) this.notify(topic, epoch, message);
      else if (topic.epoch === previousEpoch) this.notify(topic, previousEpoch, message);
    }
    if (!isStale) topic.after = Math.max(topic.after, messages.at(-1)?.offset ?? 0);
    // The rows were removed, by trimming or by hand, or the topic was set back by hand.
    if (isLast && !isStale) topic.after = head;
    return topic.after < head;
  }
}

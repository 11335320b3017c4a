import { CometError } from "../core/errors.ts";
import type { Entry, Publication } from "../log/entry.ts";
import { positionPrefix } from "../log/position.ts";
import { now } from "../core/clock.ts";
import type { Feeds } from "./feeds.ts";
import type { Flusher } from "./flusher.ts";
import { isFollowed, type LiveTopic } from "./live-topic.ts";
import { encodeMessage } from "./messages.ts";
import type { PublishOptions } from "./topic.ts";
import type { Topics } from "./topics.ts";

/** What a publisher needs of its hub. */
export interface PublisherHost {
  readonly topics: Topics;
  readonly flusher: Flusher;
  /** What takes the messages instead of the logs here, if there is a broker. */
  readonly feeds: Feeds | undefined;
  readonly maxMessageBytes: number;
  readonly counts: { published: number };
  isClosed(): boolean;
  /** Brings a topic to life. */
  wake(name: string): LiveTopic;
}

/** Puts messages into logs, to be sent with the next flush: those of this process, or those that a broker brings. */
export class Publisher {
  readonly #host: PublisherHost;
  /** Messages that logs were given, in their order over all topics. */
  #appended = 0;

  constructor(host: PublisherHost) {
    this.#host = host;
  }

  /** As `Topic.publish` has it. */
  publish(name: string, data: unknown, options: PublishOptions): Promise<string> {
    const { feeds, flusher, counts, maxMessageBytes } = this.#host;
    if (this.#host.isClosed()) throw new CometError("ERR_CLOSED", "The hub is closed.");
    const message = encodeMessage(data, options, maxMessageBytes);
    if (feeds !== undefined) return this.#publishTo(feeds, name, message);
    const topic = this.#host.wake(name);
    const earlier = message.messageId === undefined ? undefined : topic.log.withMessageId(message.messageId);
    if (earlier !== undefined) return Promise.resolve(earlier.id);
    counts.published += 1;
    const { id } = this.append(topic, message);
    if (topic.pendingEntries < topic.bounds.maxEntries / 2 && topic.pendingBytes < topic.bounds.maxBytes / 2) {
      return Promise.resolve(id);
    }
    flusher.flushNow(topic);
    return flusher.turn().then(() => id);
  }

  /** Adds a message to a topic's log: published so many milliseconds ago, with a broker's offset if it is one's. */
  append(topic: LiveTopic, message: Publication, offset?: number, agoMs = 0): Entry {
    const { topics, flusher } = this.#host;
    const { maxEntries, maxBytes } = topic.bounds;
    // The log would let go of what nobody has been sent yet.
    const isFull = topic.pendingEntries >= maxEntries || topic.pendingBytes + message.bytes > maxBytes;
    if (topic.pendingEntries > 0 && isFull) flusher.flushNow(topic);
    const time = now();
    this.#appended += 1;
    const entry = topics.change(topic, (log) => log.append(message, this.#appended, time, time - agoMs, offset));
    if (!isFollowed(topic)) return entry;
    if (topic.pendingEntries === 0) flusher.touch(topic);
    topic.pendingEntries += 1;
    topic.pendingBytes += message.bytes;
    return entry;
  }

  /** Begins a topic's log anew, for those who follow it to come to the hole: see `Log.restart`. */
  restart(topic: LiveTopic, epoch: string, offset: number): void {
    const { topics, flusher } = this.#host;
    if (topic.pendingEntries > 0) flusher.flushNow(topic);
    topics.change(topic, (log) => log.restart(epoch, offset));
    flusher.touch(topic);
  }

  async #publishTo(feeds: Feeds, name: string, message: Publication): Promise<string> {
    const { topics, counts } = this.#host;
    const { epoch, offset } = await feeds.publish(name, message, topics.boundsOf(name));
    counts.published += 1;
    return positionPrefix(name, epoch) + String(offset);
  }
}

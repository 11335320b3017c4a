import { CometError, describe } from "../../core/errors.ts";
import { positionPrefix } from "../../log/position.ts";
import type { HubCounters } from "../hub-stats.ts";
import type { EndOptions, PublishOptions } from "../topic.ts";
import type { BrokerLink } from "./broker-link.ts";
import { encodeMessage } from "./encode-message.ts";
import type { FiniteSettings } from "./finite-life.ts";
import { topicEnd } from "./topic-end.ts";
import type { Topics } from "./topics.ts";

/** The end of a topic has no data. */
const NO_DATA = {
  json: "",
  text: undefined,
  event: undefined,
  key: undefined,
  messageId: undefined,
  bytes: 0,
} as const;

function hasEnded(name: string): CometError {
  return new CometError("ERR_ENDED", `The topic ${describe(name)} has ended.`);
}

/**
 * Publishes messages: into the log of this process, for the next flush, or to the broker, which notifies all processes
 * of them.
 *
 * Invariants: a message is encoded before anything waits, so that later changes of its object have no effect. With a
 * broker nothing is appended here; the replica appends the message when its notice arrives. A publisher that waits for
 * the result is paced: see `LiveTopic.paced`.
 */
export class Publisher {
  readonly #topics: Topics;
  readonly #link: BrokerLink | undefined;
  readonly #counters: HubCounters;
  readonly #maxMessageBytes: number;
  #isClosed = false;

  constructor(topics: Topics, link: BrokerLink | undefined, counters: HubCounters, maxMessageBytes: number) {
    this.#topics = topics;
    this.#link = link;
    this.#counters = counters;
    this.#maxMessageBytes = maxMessageBytes;
  }

  /**
   * Implements `Topic.publish`, which documents it.
   *
   * @param finite Set if the topic is declared to end.
   */
  publish(name: string, data: unknown, options: PublishOptions, finite?: FiniteSettings): Promise<string> {
    if (this.#isClosed) throw new CometError("ERR_CLOSED", "The hub is closed.");
    const message = encodeMessage(data, options, this.#maxMessageBytes);
    if (this.#link !== undefined) return this.#publishTo(this.#link, name, message);
    const topic = this.#topics.toPublish(name, finite);
    const earlier = message.messageId === undefined ? undefined : topic.log.withMessageId(message.messageId);
    if (earlier !== undefined) return Promise.resolve(earlier.id);
    if (topic.log.ended !== undefined) return Promise.reject(hasEnded(name));
    this.#counters.published += 1;
    const { id } = topic.append(message);
    return topic.paced()?.then(() => id) ?? Promise.resolve(id);
  }

  /** Implements `Topic.end`, which documents it. */
  end(name: string, options: EndOptions, finite?: FiniteSettings): Promise<string> {
    if (this.#isClosed) throw new CometError("ERR_CLOSED", "The hub is closed.");
    const ended = topicEnd(name, options);
    if (this.#link !== undefined)
      throw new CometError("ERR_BROKER_CONFIG", "The broker does not keep topics that end.");
    const topic = this.#topics.toPublish(name, finite);
    if (topic.life === undefined) {
      throw new CometError("ERR_OPTION", `The topic ${describe(name)} is endless: only one with finite: true ends.`);
    }
    if (topic.log.ended !== undefined) return Promise.reject(hasEnded(name));
    return Promise.resolve(topic.append({ ...NO_DATA, ended }).id);
  }

  /** Implements `Topic.delete`, which documents it. */
  delete(name: string): Promise<void> {
    if (this.#isClosed) throw new CometError("ERR_CLOSED", "The hub is closed.");
    if (this.#link !== undefined) throw new CometError("ERR_BROKER_CONFIG", "The broker cannot delete topics.");
    this.#topics.delete(name);
    return Promise.resolve();
  }

  /** Makes `publish` and `end` throw `ERR_CLOSED` from now on. */
  close(): void {
    this.#isClosed = true;
  }

  async #publishTo(link: BrokerLink, name: string, message: Parameters<BrokerLink["publish"]>[1]): Promise<string> {
    const { epoch, offset } = await link.publish(name, message, this.#topics.boundsOf(name));
    this.#counters.published += 1;
    await this.#topics.live(name)?.paced();
    return positionPrefix(name, epoch) + String(offset);
  }
}

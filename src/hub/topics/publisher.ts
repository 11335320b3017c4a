import { CometError } from "../../core/errors.ts";
import { positionPrefix } from "../../log/position.ts";
import type { HubCounters } from "../hub-stats.ts";
import type { PublishOptions } from "../topic.ts";
import type { BrokerLink } from "./broker-link.ts";
import { encodeMessage } from "./encode-message.ts";
import type { Topics } from "./topics.ts";

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

  /** Implements `Topic.publish`, which documents it. */
  publish(name: string, data: unknown, options: PublishOptions): Promise<string> {
    if (this.#isClosed) throw new CometError("ERR_CLOSED", "The hub is closed.");
    const message = encodeMessage(data, options, this.#maxMessageBytes);
    if (this.#link !== undefined) return this.#publishTo(this.#link, name, message);
    const topic = this.#topics.toPublish(name);
    const earlier = message.messageId === undefined ? undefined : topic.log.withMessageId(message.messageId);
    if (earlier !== undefined) return Promise.resolve(earlier.id);
    this.#counters.published += 1;
    const { id } = topic.append(message);
    return topic.paced()?.then(() => id) ?? Promise.resolve(id);
  }

  /** Makes `publish` throw `ERR_CLOSED` from now on. */
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

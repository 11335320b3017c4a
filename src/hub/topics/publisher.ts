import { CometError, describe } from "../../core/errors.ts";
import { endPublication, type Publication } from "../../log/entry.ts";
import { positionPrefix } from "../../log/position.ts";
import type { HubCounters } from "../hub-stats.ts";
import type { EndOptions, PublishOptions, TransactionPublishOptions } from "../topic.ts";
import type { BrokerLink } from "./broker-link.ts";
import { encodeMessage } from "./encode-message.ts";
import type { FiniteSettings } from "./finite-life.ts";
import type { LeaseMark } from "./lease.ts";
import { topicEnd } from "./topic-end.ts";
import type { Topics } from "./topics.ts";

function hasEnded(name: string): CometError {
  return new CometError("ERR_ENDED", `The topic ${describe(name)} has ended.`);
}

function endless(name: string): CometError {
  return new CometError("ERR_OPTION", `The topic ${describe(name)} is endless: only one with finite: true ends.`);
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
  publish(
    name: string,
    data: unknown,
    options: PublishOptions | TransactionPublishOptions,
    finite?: FiniteSettings,
  ): Promise<string | undefined> {
    this.#assertOpen();
    if ("transaction" in options && (options.transaction as unknown) !== undefined) {
      return this.#publishIn(options.transaction, name, this.encode(data, options), finite);
    }
    const sent = this.send(name, this.encode(data, options), finite);
    return typeof sent === "string" ? this.#paced(name, sent) : sent.then((position) => this.#paced(name, position));
  }

  /** Checks and encodes a message. @throws {CometError} `ERR_ENCODER`, `ERR_MESSAGE`. */
  encode(data: unknown, options: PublishOptions): Publication {
    return encodeMessage(data, options, this.#maxMessageBytes);
  }

  /**
   * Publishes a message without waiting for subscribers: the caller is paced by other means.
   *
   * @param mark The lease of a producer that the broker has given.
   * @returns The position after it; with a broker, once the broker holds it. Rejects as `publish` does.
   * @throws {CometError} `ERR_CLOSED`, and the codes of `Topics.toPublish`.
   */
  send(name: string, message: Publication, finite?: FiniteSettings, mark?: LeaseMark): string | Promise<string> {
    this.#assertOpen();
    if (this.#link !== undefined) return this.#sendTo(this.#link, name, message, finite, mark);
    const topic = this.#topics.toPublish(name, finite);
    const earlier = message.messageId === undefined ? undefined : topic.log.withMessageId(message.messageId);
    if (earlier !== undefined) return earlier.id;
    if (topic.log.ended !== undefined) return Promise.reject(hasEnded(name));
    this.#counters.published += 1;
    return topic.append(message).id;
  }

  /** Implements `Topic.end`, which documents it. @param mark As of {@link send}. */
  end(name: string, options: EndOptions, finite?: FiniteSettings, mark?: LeaseMark): Promise<string> {
    this.#assertOpen();
    const ended = topicEnd(name, options);
    if (this.#link !== undefined) {
      if (!this.#topics.isFinite(name, finite)) throw endless(name);
      return this.#sendTo(this.#link, name, endPublication(ended), finite, mark);
    }
    const topic = this.#topics.toPublish(name, finite);
    if (topic.life === undefined) {
      throw endless(name);
    }
    if (topic.log.ended !== undefined) return Promise.reject(hasEnded(name));
    return Promise.resolve(topic.append(endPublication(ended)).id);
  }

  /** Implements `Topic.delete`, which documents it. */
  async delete(name: string): Promise<void> {
    this.#assertOpen();
    if (this.#link !== undefined) {
      const { name: broker, finite } = this.#link.broker;
      if (finite === undefined) {
        throw new CometError("ERR_BROKER_CONFIG", `The broker ${describe(broker)} cannot delete topics.`);
      }
      await finite.delete(name);
      this.#link.announce(name);
    }
    this.#topics.delete(name);
  }

  /** Makes `publish` and `end` throw `ERR_CLOSED` from now on. */
  close(): void {
    this.#isClosed = true;
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new CometError("ERR_CLOSED", "The hub is closed.");
  }

  /** Publishes a message when a transaction of the application commits. */
  async #publishIn(
    transaction: object,
    name: string,
    message: Publication,
    finite: FiniteSettings | undefined,
  ): Promise<undefined> {
    if (this.#link === undefined) {
      throw new CometError(
        "ERR_OPTION",
        "transaction needs a broker that keeps it, as postgresBroker does: the hub has none.",
      );
    }
    await this.#link.publishIn(transaction, name, message, this.#topics.historyOf(name, finite));
    return undefined;
  }

  async #sendTo(
    link: BrokerLink,
    name: string,
    message: Publication,
    finite: FiniteSettings | undefined,
    mark: LeaseMark | undefined,
  ): Promise<string> {
    const { epoch, offset } = await link.publish(name, message, this.#topics.historyOf(name, finite), mark);
    if (message.ended === undefined) this.#counters.published += 1;
    return positionPrefix(name, epoch) + String(offset);
  }

  /** Resolves to a position once subscribers keep up: see `LiveTopic.paced`. */
  #paced(name: string, position: string): Promise<string> {
    return (
      this.#topics
        .live(name)
        ?.paced()
        ?.then(() => position) ?? Promise.resolve(position)
    );
  }
}

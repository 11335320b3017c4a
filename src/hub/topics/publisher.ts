import { CometError } from "../../core/errors.ts";
import { positionPrefix } from "../../log/position.ts";
import type { Flusher } from "../flusher.ts";
import type { HubCounters } from "../hub-stats.ts";
import type { PublishOptions } from "../topic.ts";
import type { BrokerLink } from "./broker-link.ts";
import { encodeMessage } from "./encode-message.ts";
import type { LiveTopic } from "./live-topic.ts";
import type { Topics } from "./topics.ts";

/** Puts messages into topics: into the log of this process, for the next flush, or into the broker, which brings them back. */
export class Publisher {
  readonly #topics: Topics;
  readonly #flusher: Flusher;
  readonly #link: BrokerLink | undefined;
  readonly #counters: HubCounters;
  readonly #maxMessageBytes: number;
  #isClosed = false;

  constructor(
    topics: Topics,
    flusher: Flusher,
    link: BrokerLink | undefined,
    counters: HubCounters,
    maxMessageBytes: number,
  ) {
    this.#topics = topics;
    this.#flusher = flusher;
    this.#link = link;
    this.#counters = counters;
    this.#maxMessageBytes = maxMessageBytes;
  }

  /** As `Topic.publish` documents it. */
  publish(name: string, data: unknown, options: PublishOptions): Promise<string> {
    if (this.#isClosed) throw new CometError("ERR_CLOSED", "The hub is closed.");
    const message = encodeMessage(data, options, this.#maxMessageBytes);
    if (this.#link !== undefined) return this.#publishTo(this.#link, name, message);
    const [topic] = this.#topics.getOrCreate([name]) as [LiveTopic];
    const earlier = message.messageId === undefined ? undefined : topic.log.withMessageId(message.messageId);
    if (earlier !== undefined) return Promise.resolve(earlier.id);
    this.#counters.published += 1;
    const { id } = topic.append(message);
    if (!topic.isHalfUnsent) return Promise.resolve(id);
    topic.flushNow();
    return this.#flusher.turn().then(() => id);
  }

  /** From now on `publish` throws `ERR_CLOSED`. */
  close(): void {
    this.#isClosed = true;
  }

  async #publishTo(link: BrokerLink, name: string, message: Parameters<BrokerLink["publish"]>[1]): Promise<string> {
    const { epoch, offset } = await link.publish(name, message, this.#topics.boundsOf(name));
    this.#counters.published += 1;
    return positionPrefix(name, epoch) + String(offset);
  }
}

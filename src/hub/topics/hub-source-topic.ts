import type { TopicBounds } from "../../log/broker.ts";
import type { Publication } from "../../log/entry.ts";
import { checkTopicName } from "../../log/position.ts";
import type { StreamOutcome } from "../published-streams.ts";
import type { FiniteSettings } from "./finite-life.ts";
import type { Lease } from "./lease.ts";
import type { LiveTopic } from "./live-topic.ts";
import type { End, ProducedTopic, ProducedTopics, SourceSender } from "./source-topic.ts";
import type { Topics } from "./topics.ts";

/**
 * A topic of the hub, as a source that is published into it sees it.
 *
 * Of an endless topic of a broker it only sends: the broker keeps it alive, and no end is awaited.
 */
export class HubSourceTopic implements ProducedTopic {
  readonly name: string;
  readonly #topics: Topics;
  readonly #publisher: SourceSender;
  readonly #finite: FiniteSettings | undefined;
  #lease: Lease | undefined;
  /** The topic that `begin` keeps alive. */
  #begun: LiveTopic | undefined;
  #epoch: string | undefined;

  /** @param finite Set if the application declares that the topic ends. */
  constructor(topics: Topics, publisher: SourceSender, name: string, finite: FiniteSettings | undefined) {
    this.name = name;
    this.#topics = topics;
    this.#publisher = publisher;
    this.#finite = finite;
  }

  get isFinite(): boolean {
    const topic = this.#live;
    if (topic === undefined) return this.#topics.isFinite(this.name, this.#finite);
    if (topic.life !== undefined || this.#finite === undefined) return topic.life !== undefined;
    // A topic that is only asked for becomes finite with its first message. That of a broker may have one already.
    return !topic.isWritten || this.#topics.hasBroker;
  }

  get isAwaited(): boolean {
    const topic = this.#live;
    return topic?.isAwaited === true && topic.isFollowed;
  }

  get hasBegun(): boolean {
    return this.#live?.life?.isBegun === true;
  }

  get ended(): StreamOutcome | undefined {
    const log = this.#live?.log;
    if (log?.ended === undefined) return undefined;
    const { topic: _, ...end } = log.ended;
    return { ...end, position: log.position(log.head) };
  }

  get isRemoved(): boolean {
    return this.#begun?.isForgotten === true;
  }

  get isReplaced(): boolean {
    return this.#begun !== undefined && this.#live?.log.epoch !== this.#epoch;
  }

  get position(): string | undefined {
    const log = this.#topics.hasBroker ? undefined : this.#live?.log;
    return log?.position(log.head);
  }

  get bounds(): TopicBounds {
    return this.#topics.historyOf(this.name, this.#finite);
  }

  refresh(): Promise<void> | undefined {
    if (!this.#topics.hasBroker) return undefined;
    return this.#topics.current(this.name).then(({ release }) => release());
  }

  adopt(lease: Lease): void {
    this.#lease = lease;
    this.#topics.announce(this.name);
  }

  begin(onChange: () => void): () => void {
    if (this.#topics.hasBroker && !this.isFinite) return () => undefined;
    const topic = this.#topics.toPublish(this.name, this.#finite);
    this.#begun = topic;
    this.#epoch = topic.log.epoch;
    topic.addReader(onChange);
    return () => topic.removeReader(onChange);
  }

  encode(data: unknown): Publication {
    return this.#publisher.encode(data, {});
  }

  send(message: Publication): string | Promise<string> {
    if (this.#lease?.isInForce === false) return Promise.reject(this.#lease.loss);
    return this.#publisher.send(this.name, message, this.#finite, this.#lease?.next());
  }

  paced(): Promise<void> | undefined {
    return this.#live?.paced();
  }

  end({ outcome, code, message }: End): Promise<string> {
    const options = outcome === "failed" ? { error: { code, message } } : { outcome };
    return this.#publisher.end(this.name, options, this.#finite, this.#lease?.mark);
  }

  delete(): Promise<void> {
    return this.#publisher.delete(this.name);
  }

  get #live(): LiveTopic | undefined {
    return this.#begun?.isForgotten === false ? this.#begun : this.#topics.live(this.name);
  }
}

/** The topics of the hub, as its producers see them. */
export class HubSourceTopics implements ProducedTopics {
  readonly #topics: Topics;
  readonly #publisher: SourceSender;

  constructor(topics: Topics, publisher: SourceSender) {
    this.#topics = topics;
    this.#publisher = publisher;
  }

  /** @param finite Set if the application declares that the topic ends. */
  find(name: string, finite?: FiniteSettings): ProducedTopic {
    checkTopicName(name);
    this.#topics.assertTopic(name);
    return new HubSourceTopic(this.#topics, this.#publisher, name, finite);
  }

  declare(name: string, ttlMs?: number): ProducedTopic {
    checkTopicName(name);
    const declaration = { finite: true, ...(ttlMs === undefined ? {} : { ttlMs }) };
    return this.find(name, this.#topics.declaration(name, declaration));
  }
}

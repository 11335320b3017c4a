import { CometError } from "../../core/errors.ts";
import type { OnError } from "../../core/on-error.ts";
import type { FiniteState } from "../../log/broker.ts";
import type { LogMemory } from "../../log/log-memory.ts";
import type { Position, Positions } from "../../log/position.ts";
import type { Start } from "../../log/start.ts";
import type { BrokerLink } from "./broker-link.ts";
import type { LiveTopic } from "./live-topic.ts";
import { ProducerWatch } from "./producer-watch.ts";
import { OlderPages } from "./older-pages.ts";
import { isBehind, olderStart, type OlderStart, type OlderStarts, type ReaderPlace } from "./older-start.ts";
import { Replica, type ReplicaHost } from "./replica.ts";

/** The part of a hub's topics that its replicas need. */
export interface ReplicatedTopics {
  readonly memory: LogMemory;
  /** Makes a topic one that ends, if it is none yet: the application has declared it in another process. */
  declare(topic: LiveTopic, ttlMs: number): void;
  /** Removes a topic: the broker has deleted it, or has another one of its name. */
  replace(topic: LiveTopic): void;
}

/** The live topics of a hub as replicas of those of its broker: one for each. */
export class Replicas implements ReplicaHost {
  readonly #link: BrokerLink;
  readonly #topics: ReplicatedTopics;
  readonly #onError: OnError;
  readonly #watch: ProducerWatch | undefined;
  readonly #replicas = new Map<LiveTopic, Replica>();
  #isClosed = false;

  constructor(link: BrokerLink, topics: ReplicatedTopics, onError: OnError) {
    this.#link = link;
    this.#topics = topics;
    this.#onError = onError;
    const keepsFinite = link.broker.finite !== undefined;
    this.#watch = keepsFinite ? new ProducerWatch(link, (topic) => this.refresh(topic)) : undefined;
  }

  get size(): number {
    return this.#replicas.size;
  }

  has(topic: LiveTopic): boolean {
    return this.#replicas.has(topic);
  }

  /** Begins the replica of a topic, if it has none. */
  add(topic: LiveTopic): void {
    if (!this.#isClosed && !this.#replicas.has(topic)) {
      const replica = new Replica(topic, this.#link, this);
      const { memory } = this.#topics;
      topic.log.older = new OlderPages({ topic, link: this.#link, memory, refresh: () => replica.refresh() });
      this.#replicas.set(topic, replica);
    }
  }

  /** Stops the replica of a topic. */
  remove(topic: LiveTopic): void {
    this.#replicas.get(topic)?.stop();
    this.#replicas.delete(topic);
  }

  /** Notes that a topic is followed. */
  followed(topic: LiveTopic): void {
    this.#watch?.update(topic);
  }

  /**
   * Waits until a topic's log has everything that the broker has now.
   *
   * @returns Rejects with the broker's error if it could not be read, and with `ERR_CLOSED` if the hub closes meanwhile. The
   *   topic may be replaced then.
   */
  async refresh(topic: LiveTopic): Promise<void> {
    await this.#replicas.get(topic)?.refresh();
    // A replica that is stopped has not read everything.
    if (this.#isClosed) throw new CometError("ERR_CLOSED", "The hub is closed.");
  }

  /** Implements `Topics.whenReady`, which documents it. */
  whenReady(
    topics: readonly LiveTopic[],
    positions: Positions,
    from: Start | undefined,
  ): Promise<OlderStarts> | undefined {
    const refreshing = topics.flatMap((topic) => this.#refreshFor(topic, positions.get(topic.name)) ?? []);
    const places = (): ReaderPlace[] => topics.map((topic) => positions.get(topic.name) ?? from ?? topic.defaultStart);
    if (refreshing.length > 0) return Promise.all(refreshing).then(() => startsOf(topics, places()));
    const known = places();
    const isAnyBehind = topics.some(({ log }, i) => isBehind(log, known[i] as ReaderPlace));
    return isAnyBehind ? startsOf(topics, known) : undefined;
  }

  /** Has all replicas read again, after the broker has reconnected. */
  restored(): void {
    for (const replica of this.#replicas.values()) replica.restored();
  }

  /** Reads a topic that may have begun in another process, or was deleted there. */
  changed(topic: LiveTopic): void {
    // The replica reports a failure, and tries again.
    this.#replicas
      .get(topic)
      ?.refresh()
      .catch(() => undefined);
  }

  /** Stops all replicas. */
  close(): void {
    this.#isClosed = true;
    this.#watch?.close();
    for (const replica of this.#replicas.values()) replica.stop();
    this.#replicas.clear();
  }

  noteFinite(topic: LiveTopic, { ttlMs, isExpired }: FiniteState): void {
    this.#topics.declare(topic, ttlMs);
    topic.life?.begin();
    if (isExpired) topic.life?.end(-Infinity);
    this.#watch?.update(topic);
  }

  noteReplaced(topic: LiveTopic): void {
    topic.sendUnsent();
    this.#topics.replace(topic);
  }

  report(error: unknown): void {
    this.#onError(error);
  }

  /**
   * Reads what the replica of a topic lacks, unless it is loaded and knows the position. One that has ended is always read,
   * since another process may have begun it anew without a message.
   */
  #refreshFor(topic: LiveTopic, position: Position | undefined): Promise<void> | undefined {
    const replica = this.#replicas.get(topic);
    const isKnown = position === undefined || topic.log.indexOf(position.epoch, position.offset) !== undefined;
    return replica === undefined || (replica.isLoaded && isKnown && !topic.isOver) ? undefined : replica.refresh();
  }
}

/** Returns the starts of a reader in the topics whose logs it is behind. */
async function startsOf(topics: readonly LiveTopic[], places: readonly ReaderPlace[]): Promise<OlderStarts> {
  const starts = new Map<string, OlderStart>();
  for (const [i, { name, log }] of topics.entries()) {
    const place = places[i] as ReaderPlace;
    const start = isBehind(log, place) ? await olderStart(log, place) : undefined;
    if (start !== undefined) starts.set(name, start);
  }
  return starts;
}

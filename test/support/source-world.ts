import { onTestFinished } from "vitest";
import { MemoryBrokers } from "../../src/brokers/memory/memory-brokers.ts";
import { CometError } from "../../src/core/errors.ts";
import { isAdmission } from "../../src/hub/admission/decision.ts";
import { Gate } from "../../src/hub/admission/gate.ts";
import { Capacity } from "../../src/hub/capacity.ts";
import { Subscriptions } from "../../src/hub/delivery/subscriptions.ts";
import { Flusher } from "../../src/hub/flusher.ts";
import type { HubOptions } from "../../src/hub/hub-options.ts";
import { checkHubOptions } from "../../src/hub/hub-settings.ts";
import { HubCounters } from "../../src/hub/hub-stats.ts";
import { Sweeper } from "../../src/hub/sweeper.ts";
import type { StreamOutcome } from "../../src/hub/topic.ts";
import { BrokerLink } from "../../src/hub/topics/broker-link.ts";
import { encodeMessage, messageDecoder } from "../../src/hub/topics/encode-message.ts";
import { Producers } from "../../src/hub/topics/producers.ts";
import { SourcePublisher } from "../../src/hub/topics/publish-from.ts";
import type { End, ProducedTopic } from "../../src/hub/topics/source-topic.ts";
import { Topics } from "../../src/hub/topics/topics.ts";
import type { Publication } from "../../src/log/entry.ts";
import { positionPrefix } from "../../src/log/position.ts";
import { FakeSink } from "./fake-sink.ts";
import { FaultyBroker } from "./faulty-broker.ts";

/** The end of a topic has no data. */
const noData = { json: "", text: undefined, event: undefined, key: undefined, messageId: undefined, bytes: 0 };

/** The parts of a hub that publish sources, with real topics and subscribers. Only the ends of topics are kept here. */
export class SourceWorld {
  readonly errors: unknown[] = [];
  readonly topics: Topics;
  readonly sources: SourcePublisher;
  readonly producers: Producers;
  readonly broker: FaultyBroker | undefined;
  readonly link: BrokerLink | undefined;
  /** The ends of topics, by name. */
  readonly ends = new Map<string, StreamOutcome>();
  /** The names that have begun, and those that were deleted. */
  readonly begun = new Set<string>();
  readonly deleted: string[] = [];
  /** The listeners of each name, with the topic that each has begun. */
  readonly listeners = new Map<string, Set<() => void>>();
  /** The number of calls of `paced` that had to wait. */
  pauses = 0;
  isClosed = false;
  /** Thrown by the next end, if there is one. */
  endFailure: unknown;
  readonly #gate: Gate;
  readonly #maxMessageBytes: number;

  constructor(options: HubOptions = {}, withBroker = false) {
    const settings = checkHubOptions({ ...options, onError: (error) => void this.errors.push(error) });
    this.#maxMessageBytes = settings.maxMessageBytes;
    const flusher = new Flusher(settings.flushSliceMs);
    const sweeper = new Sweeper(settings);
    const counters = new HubCounters();
    const capacity = new Capacity(settings);
    this.broker = withBroker ? new FaultyBroker(new MemoryBrokers().join()) : undefined;
    this.link = this.broker && new BrokerLink(this.broker, settings.onError, messageDecoder(settings.maxMessageBytes));
    this.topics = new Topics(settings, flusher, sweeper, this.link);
    const subscriptions = new Subscriptions(settings, capacity, flusher, sweeper, counters);
    this.#gate = new Gate(settings, capacity, this.topics, subscriptions, counters, sweeper);
    this.link?.attach(
      () => this.topics.restored(),
      () => undefined,
    );
    this.sources = new SourcePublisher(settings.flushSliceMs, settings.onError);
    this.producers = new Producers(this.sources, (name) => this.topic(name), withBroker);
    onTestFinished(async () => {
      await subscriptions.drain(0);
      this.topics.close();
      await this.link?.close();
    });
  }

  /** Opens a subscription of a topic onto a fake sink. */
  async open(name: string, sink: FakeSink = new FakeSink()): Promise<FakeSink> {
    const request = { method: "GET", url: `/live?topic=${name}&wire=ndjson&from=oldest`, headers: { get: () => null } };
    const decision = await this.#gate.decide(request, () => ({}));
    if (!isAdmission(decision)) throw new Error(decision.body);
    decision.open(sink);
    return sink;
  }

  /** A topic. It is finite if its name begins with `f`. */
  topic(name: string): ProducedTopic {
    return new WorldTopic(this, name);
  }

  encode(data: unknown): Publication {
    return encodeMessage(data, {}, this.#maxMessageBytes);
  }

  /** Ends a topic, as other code does. */
  end(name: string, end: End): Promise<string> {
    return this.topic(name).end(end);
  }

  /** Calls the listeners of a topic, as a flush of it does. */
  notify(name: string): void {
    for (const listener of [...(this.listeners.get(name) ?? [])]) listener();
  }
}

class WorldTopic implements ProducedTopic {
  readonly name: string;
  readonly isFinite: boolean;
  isRemoved = false;
  readonly #world: SourceWorld;

  constructor(world: SourceWorld, name: string) {
    this.#world = world;
    this.name = name;
    this.isFinite = name.startsWith("f");
  }

  get ended(): StreamOutcome | undefined {
    return this.#world.ends.get(this.name);
  }

  get hasBegun(): boolean {
    return this.#world.begun.has(this.name);
  }

  get position(): string | undefined {
    if (this.#world.link !== undefined) return undefined;
    const { log } = this.#world.topics.toPublish(this.name);
    return log.position(log.head);
  }

  begin(onChange: () => void): () => void {
    this.#world.begun.add(this.name);
    const deletions = this.#world.deleted.length;
    const listener = (): void => {
      this.isRemoved ||= this.#world.deleted.slice(deletions).includes(this.name);
      onChange();
    };
    const listeners = this.#world.listeners.get(this.name) ?? new Set();
    this.#world.listeners.set(this.name, listeners.add(listener));
    return () => void listeners.delete(listener);
  }

  encode(data: unknown): Publication {
    return this.#world.encode(data);
  }

  send(message: Publication): string | Promise<string> {
    if (this.#world.isClosed) throw new CometError("ERR_CLOSED", "The hub is closed.");
    if (this.ended !== undefined) throw new CometError("ERR_ENDED", "The topic has ended.");
    return this.#append(message);
  }

  paced(): Promise<void> | undefined {
    const paced = this.#world.topics.live(this.name)?.paced();
    if (paced !== undefined) this.#world.pauses += 1;
    return paced;
  }

  end(end: End): Promise<string> {
    if (this.#world.endFailure !== undefined) return Promise.reject(this.#world.endFailure);
    if (this.#world.isClosed) throw new CometError("ERR_CLOSED", "The hub is closed.");
    if (this.ended !== undefined) throw new CometError("ERR_ENDED", "The topic has ended.");
    const position = this.#append({ ...noData, ended: { topic: this.name, ...end } }) as string;
    this.#world.ends.set(this.name, { ...end, position });
    this.#world.notify(this.name);
    return Promise.resolve(position);
  }

  delete(): Promise<void> {
    this.#world.ends.delete(this.name);
    this.#world.begun.delete(this.name);
    this.#world.deleted.push(this.name);
    this.#world.notify(this.name);
    return Promise.resolve();
  }

  #append(message: Publication): string | Promise<string> {
    const { link, topics } = this.#world;
    if (link === undefined) return topics.toPublish(this.name).append(message).id;
    const { name } = this;
    return link
      .publish(name, message, topics.boundsOf(name))
      .then(({ epoch, offset }) => positionPrefix(name, epoch) + String(offset));
  }
}

import { onTestFinished } from "vitest";
import { MemoryBrokers } from "../../src/brokers/memory/memory-brokers.ts";
import { isAdmission } from "../../src/hub/admission/decision.ts";
import { Gate } from "../../src/hub/admission/gate.ts";
import { Capacity } from "../../src/hub/capacity.ts";
import { Subscriptions } from "../../src/hub/delivery/subscriptions.ts";
import { Flusher } from "../../src/hub/flusher.ts";
import type { HubOptions } from "../../src/hub/hub-options.ts";
import { checkHubOptions } from "../../src/hub/hub-settings.ts";
import { HubCounters } from "../../src/hub/hub-stats.ts";
import type { StreamOutcome } from "../../src/hub/published-streams.ts";
import { Sweeper } from "../../src/hub/sweeper.ts";
import { BrokerLink } from "../../src/hub/topics/broker-link.ts";
import { brokerCodec } from "../../src/hub/topics/encode-message.ts";
import { HubSourceTopic } from "../../src/hub/topics/hub-source-topic.ts";
import { Producers } from "../../src/hub/topics/producers.ts";
import { SourcePublisher } from "../../src/hub/topics/publish-from.ts";
import { Publisher } from "../../src/hub/topics/publisher.ts";
import type { End, ProducedTopic } from "../../src/hub/topics/source-topic.ts";
import { Topics } from "../../src/hub/topics/topics.ts";
import type { Publication } from "../../src/log/entry.ts";
import { FakeSink } from "./fake-sink.ts";
import { FaultyBroker } from "./faulty-broker.ts";

/**
 * The rooms of a hub that publish sources, open to a test: with real topics and subscribers. Topics whose names begin with `f`
 * are finite.
 */
export class SourceWorld {
  readonly errors: unknown[] = [];
  readonly topics: Topics;
  readonly publisher: Publisher;
  readonly sources: SourcePublisher;
  readonly producers: Producers;
  readonly broker: FaultyBroker | undefined;
  readonly link: BrokerLink | undefined;
  /** The names of topics that were deleted. */
  readonly deleted: string[] = [];
  /** The number of sources that keep a topic alive. */
  holds = 0;
  /** The number of times that a source had to wait for subscribers. */
  pauses = 0;
  /** Each end rejects with this, if there is one. */
  endFailure: unknown;
  /** What a broker answers that has a message, if there is one. */
  acknowledge: ((position: string) => Promise<string>) | undefined;
  readonly #gate: Gate;
  readonly #names = new Set<string>();

  constructor(options: HubOptions = {}, withBroker = false) {
    this.broker = withBroker ? new FaultyBroker(new MemoryBrokers().join()) : undefined;
    const settings = checkHubOptions({
      topics: (name) => ({ finite: !withBroker && name.startsWith("f") }),
      ...options,
      ...(this.broker === undefined ? {} : { broker: this.broker }),
      onError: (error) => void this.errors.push(error),
    });
    const flusher = new Flusher(settings.flushSliceMs);
    const sweeper = new Sweeper(settings);
    const counters = new HubCounters();
    const capacity = new Capacity(settings);
    const codec = brokerCodec(settings.maxMessageBytes);
    this.link = this.broker && new BrokerLink(this.broker, settings.onError, codec);
    this.topics = new Topics(settings, flusher, sweeper, this.link, (topic) => subscriptions.forget(topic));
    this.publisher = new Publisher(this.topics, this.link, counters, settings.maxMessageBytes);
    this.sources = new SourcePublisher(settings.flushSliceMs, settings.onError);
    const find = (name: string): ProducedTopic => this.topic(name);
    this.producers = new Producers(this.sources, { find, declare: find }, this.broker);
    const subscriptions = new Subscriptions(settings, capacity, flusher, sweeper, counters);
    this.#gate = new Gate(settings, capacity, this.topics, subscriptions, counters, sweeper);
    this.link?.attach(
      () => this.topics.restored(),
      () => undefined,
      (name) => this.topics.changed(name),
    );
    onTestFinished(async () => {
      await subscriptions.drain(0);
      this.topics.close();
      await this.link?.close();
    });
  }

  /** Opens a subscription of a topic that has begun, or is endless, onto a fake sink. */
  async open(name: string, sink: FakeSink = new FakeSink()): Promise<FakeSink> {
    if (this.topic(name).isFinite) this.topics.toPublish(name);
    const request = { method: "GET", url: `/live?topic=${name}&wire=ndjson&from=oldest`, headers: { get: () => null } };
    const decision = await this.#gate.decide(request, () => ({}));
    if (!isAdmission(decision)) throw new Error(decision.body);
    decision.open(sink);
    return sink;
  }

  topic(name: string): ProducedTopic {
    this.#names.add(name);
    return new WorldTopic(this, name);
  }

  /** Ends a topic, as other code does. */
  end(name: string, end: End): Promise<string> {
    return this.topic(name).end(end);
  }

  endOf(name: string): StreamOutcome | undefined {
    return this.topic(name).ended;
  }

  /** The names of the finite topics that have begun, and of those that have ended. */
  get begun(): string[] {
    return [...this.#names].filter((name) => this.topic(name).hasBegun);
  }
  get ended(): string[] {
    return [...this.#names].filter((name) => this.endOf(name) !== undefined);
  }
}

/** A topic of the hub that notes what sources do to it. */
class WorldTopic extends HubSourceTopic {
  readonly #world: SourceWorld;

  constructor(world: SourceWorld, name: string) {
    super(world.topics, world.publisher, name, undefined);
    this.#world = world;
  }

  override get isFinite(): boolean {
    return this.#world.link === undefined && this.name.startsWith("f");
  }

  override begin(onChange: () => void): () => void {
    const release = super.begin(onChange);
    this.#world.holds += 1;
    return () => {
      this.#world.holds -= 1;
      release();
    };
  }

  override paced(): Promise<void> | undefined {
    const paced = super.paced();
    if (paced !== undefined) this.#world.pauses += 1;
    return paced;
  }

  override send(message: Publication): string | Promise<string> {
    const sent = super.send(message);
    const { acknowledge } = this.#world;
    return typeof sent === "string" && acknowledge !== undefined ? acknowledge(sent) : sent;
  }

  override end(end: End): Promise<string> {
    return this.#world.endFailure === undefined ? super.end(end) : Promise.reject(this.#world.endFailure);
  }

  override delete(): Promise<void> {
    this.#world.deleted.push(this.name);
    return super.delete();
  }
}

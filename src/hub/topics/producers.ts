import { CometError, describe } from "../../core/errors.ts";
import { assertFunction, assertInteger } from "../../core/options.ts";
import type { Broker } from "../../log/broker.ts";
import type { ProduceOptions, StreamOutcome } from "../published-streams.ts";
import type { SourceFactory } from "./factory-run.ts";
import { Lease } from "./lease.ts";
import { endAsStopped, Production } from "./production.ts";
import type { SourcePublisher } from "./publish-from.ts";
import type { ProducedTopics } from "./source-topic.ts";

/** The time in milliseconds after which a process is taken for dead that does not renew its lease. */
const DEFAULT_LEASE_MS = 10_000;
const MIN_LEASE_MS = 1000;
const MAX_LEASE_MS = 3_600_000;
/**
 * The producers of this hub: at most one of each finite topic runs at a time.
 *
 * Calls for a name that is being produced, or has ended, join it. A producer's source is published as any other: by
 * `SourcePublisher`, which the hub closes before it closes its topics.
 *
 * With a broker a producer needs a lease, which one process has at a time. The others join: they follow the topic until
 * it has ended. A producer that has lost its lease is interrupted, and the broker publishes nothing more of it.
 */
export class Producers {
  readonly #sources: SourcePublisher;
  readonly #topics: ProducedTopics;
  readonly #broker: Broker | undefined;
  readonly #productions = new Map<string, Production>();
  #isClosed = false;

  constructor(sources: SourcePublisher, topics: ProducedTopics, broker: Broker | undefined) {
    this.#sources = sources;
    this.#topics = topics;
    this.#broker = broker;
  }

  /** The number of producers that run. */
  get size(): number {
    return this.#productions.size;
  }

  /** Implements `Hub.produce`, which documents it. */
  produce(
    name: string,
    factory: SourceFactory,
    { restart = false, ttlMs, leaseMs = DEFAULT_LEASE_MS }: ProduceOptions = {},
  ): Promise<StreamOutcome> {
    if (this.#isClosed) throw new CometError("ERR_CLOSED", "The hub is closed.");
    assertFunction("The producer", factory);
    if (typeof (restart as unknown) !== "boolean") {
      throw new CometError("ERR_OPTION", `restart must be true or false, not ${describe(restart)}.`);
    }
    assertInteger("leaseMs", leaseMs, MIN_LEASE_MS, MAX_LEASE_MS);
    const topic = this.#topics.declare(name, ttlMs);
    if (!topic.isFinite) {
      throw new CometError("ERR_OPTION", `The topic ${describe(name)} is endless. Only a finite one can be produced.`);
    }
    const current = this.#productions.get(name);
    if (!restart && current !== undefined) return current.outcome;
    const finite = this.#broker?.finite;
    if (!restart && finite === undefined && topic.ended !== undefined) return Promise.resolve(topic.ended);
    const lease = finite && new Lease(finite, name, leaseMs);
    const production = new Production(this.#sources, topic, factory, lease, () => this.#remove(name, production));
    this.#productions.set(name, production);
    production.begin(restart, current);
    return production.outcome;
  }

  /** Implements `Hub.stop`, which documents it. */
  stop(name: string): Promise<void> {
    const current = this.#productions.get(name);
    const stopping = current === undefined ? endAsStopped(this.#topics.find(name)) : current.stop();
    // A caller that does not wait has no use for the error.
    stopping.catch(() => undefined);
    return stopping;
  }

  /** Refuses further producers. Running ones go on until `SourcePublisher.close`. */
  refuse(): void {
    this.#isClosed = true;
  }

  /** Settles the calls that have joined producers of other processes. Call it when no source is published any more. */
  close(): void {
    for (const production of this.#productions.values()) production.abandon();
  }

  #remove(name: string, production: Production): void {
    if (this.#productions.get(name) === production) this.#productions.delete(name);
  }
}

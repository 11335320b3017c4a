import { CometError, describe } from "../../core/errors.ts";
import { assertFunction } from "../../core/options.ts";
import { afterTurn } from "../../core/turn.ts";
import { Enumerator } from "../../stream/enumerator.ts";
import type { ProduceOptions, StreamOutcome } from "../published-streams.ts";
import { whenClosed } from "./close-source.ts";
import { FactoryRun, type SourceFactory } from "./factory-run.ts";
import type { SourcePublisher } from "./publish-from.ts";
import type { SourceResult, SourceRun } from "./source-run.ts";
import { FAILED, STOPPED, type ProducedTopic, type ProducedTopics } from "./source-topic.ts";

/**
 * The producers of this hub: at most one of each finite topic runs at a time.
 *
 * Calls for a name that is being produced, or has ended, join it. A producer's source is published as any other: by
 * `SourcePublisher`, which the hub closes before it closes its topics.
 *
 * A hub with a broker refuses producers, since another process could run the same one. A lease with a fencing token is
 * to be acquired where `produce` checks `hasBroker`; a producer that has lost it is interrupted by `SourceRun.interrupt`.
 */
export class Producers {
  readonly #sources: SourcePublisher;
  readonly #topics: ProducedTopics;
  readonly #hasBroker: boolean;
  readonly #productions = new Map<string, Production>();
  #isClosed = false;

  constructor(sources: SourcePublisher, topics: ProducedTopics, hasBroker: boolean) {
    this.#sources = sources;
    this.#topics = topics;
    this.#hasBroker = hasBroker;
  }

  /** The number of producers that run. */
  get size(): number {
    return this.#productions.size;
  }

  /** Implements `Hub.produce`, which documents it. */
  produce(
    name: string,
    factory: SourceFactory,
    { restart = false, ttlMs }: ProduceOptions = {},
  ): Promise<StreamOutcome> {
    if (this.#isClosed) throw new CometError("ERR_CLOSED", "The hub is closed.");
    if (this.#hasBroker) {
      throw new CometError("ERR_BROKER_CONFIG", "produce needs a broker with leases. This hub's broker has none.");
    }
    assertFunction("The producer", factory);
    if (typeof (restart as unknown) !== "boolean") {
      throw new CometError("ERR_OPTION", `restart must be true or false, not ${describe(restart)}.`);
    }
    const topic = this.#topics.declare(name, ttlMs);
    if (!topic.isFinite) {
      throw new CometError("ERR_OPTION", `The topic ${describe(name)} is endless. Only a finite one can be produced.`);
    }
    const current = this.#productions.get(name);
    if (!restart && current !== undefined) return current.outcome;
    if (!restart && topic.ended !== undefined) return Promise.resolve(topic.ended);
    const production = new Production(this.#sources, topic, factory, () => this.#remove(name, production));
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
  close(): void {
    this.#isClosed = true;
  }

  #remove(name: string, production: Production): void {
    if (this.#productions.get(name) === production) this.#productions.delete(name);
  }
}

/** One call of a factory, and the publication of its source. */
class Production {
  /** Resolves when the topic has ended. Never rejects. */
  readonly outcome: Promise<StreamOutcome>;
  readonly #sources: SourcePublisher;
  readonly #topic: ProducedTopic;
  readonly #factory: SourceFactory;
  readonly #onOver: () => void;
  readonly #controller = new AbortController();
  #resolve: (outcome: StreamOutcome) => void = () => undefined;
  #run: SourceRun | undefined;

  /** @param onOver Called once, before `outcome` resolves. */
  constructor(sources: SourcePublisher, topic: ProducedTopic, factory: SourceFactory, onOver: () => void) {
    this.#sources = sources;
    this.#topic = topic;
    this.#factory = factory;
    this.#onOver = onOver;
    this.outcome = new Promise((resolve) => (this.#resolve = resolve));
  }

  /** @param current The producer of this topic that runs now; it is stopped first. */
  begin(restart: boolean, current: Production | undefined): void {
    if (restart) void this.#restart(current);
    else this.#start();
  }

  /** Stops the source. Resolves when the topic has ended. */
  async stop(): Promise<void> {
    this.#controller.abort();
    await this.outcome;
  }

  async #restart(current: Production | undefined): Promise<void> {
    try {
      if (current !== undefined) {
        await current.stop();
        await whenClosed(current.#run?.closed ?? Promise.resolve());
      }
      await this.#clear();
    } catch (error) {
      this.#finish({ outcome: { ...FAILED, position: this.#topic.position }, failure: { error } });
      return;
    }
    this.#start();
  }

  /** Removes what the topic has from before, and ends it first if it has not ended. */
  async #clear(): Promise<void> {
    await endAsStopped(this.#topic);
    // Readers that are caught up get the end with the flush of this turn.
    await new Promise<void>((resolve) => afterTurn(resolve));
    // A stop that came meanwhile leaves the former stream as it is.
    if (!this.#controller.signal.aborted) await this.#topic.delete();
  }

  #start(): void {
    const { signal } = this.#controller;
    if (signal.aborted) {
      const stopped = { ...STOPPED, position: this.#topic.position };
      this.#finish({ outcome: this.#topic.ended ?? stopped });
      return;
    }
    const source = new Enumerator((wake) => new FactoryRun(this.#factory, this.#controller, wake));
    this.#run = this.#sources.start(this.#topic, source, signal);
    void this.#run.result.then((result) => this.#finish(result));
  }

  #finish({ outcome, failure }: SourceResult): void {
    this.#onOver();
    if (failure !== undefined && !isClosing(failure.error)) {
      const what = `The producer of the topic ${describe(this.#topic.name)} has failed.`;
      this.#sources.onError(new CometError("ERR_FAILED", what, { cause: failure.error }));
    }
    this.#resolve(outcome);
  }
}

/** Ends a topic that has begun and not ended. */
async function endAsStopped(topic: ProducedTopic): Promise<void> {
  const hasEnded = (): boolean => topic.ended !== undefined;
  if (!topic.isFinite || !topic.hasBegun || hasEnded()) return;
  try {
    await topic.end(STOPPED);
  } catch (error) {
    // Other code may have ended it first.
    if (!hasEnded()) throw error;
  }
}

/** Whether a producer was interrupted by `hub.close`, which is no failure of its own. */
function isClosing(error: unknown): boolean {
  return error instanceof CometError && error.code === "ERR_CLOSED";
}

import { CometError, describe, type CometErrorCode } from "../../core/errors.ts";
import { afterTurn } from "../../core/turn.ts";
import type { LeaseAnswer } from "../../log/broker.ts";
import { Enumerator } from "../../stream/enumerator.ts";
import type { StreamOutcome } from "../published-streams.ts";
import { whenClosed } from "./close-source.ts";
import { FactoryRun, type SourceFactory } from "./factory-run.ts";
import type { Lease } from "./lease.ts";
import type { SourcePublisher } from "./publish-from.ts";
import type { SourceResult, SourceRun } from "./source-run.ts";
import { FAILED, LOST, STOPPED, type ProducedTopic } from "./source-topic.ts";

/** The number of times that a producer asks for a lease that another one has taken meanwhile. */
const MAX_ATTEMPTS = 10;

/**
 * One call of a factory and the publication of its source, or the producer of another process that this call has joined.
 */
export class Production {
  /** Resolves when the topic has ended. Never rejects. */
  readonly outcome: Promise<StreamOutcome>;
  readonly #sources: SourcePublisher;
  readonly #topic: ProducedTopic;
  readonly #factory: SourceFactory;
  readonly #lease: Lease | undefined;
  readonly #onOver: () => void;
  readonly #controller = new AbortController();
  #resolve: (outcome: StreamOutcome) => void = () => undefined;
  #run: SourceRun | undefined;
  /** Gives up the producer of another process that this has joined. */
  #abandon: (() => void) | undefined;
  #isAbandoned = false;

  /**
   * @param lease A lease to be acquired, if the topic is a broker's.
   * @param onOver Called once, before `outcome` resolves.
   */
  constructor(
    sources: SourcePublisher,
    topic: ProducedTopic,
    factory: SourceFactory,
    lease: Lease | undefined,
    onOver: () => void,
  ) {
    this.#sources = sources;
    this.#topic = topic;
    this.#factory = factory;
    this.#lease = lease;
    this.#onOver = onOver;
    this.outcome = new Promise((resolve) => (this.#resolve = resolve));
  }

  /** @param current The producer of this topic that runs now; it is stopped first. */
  begin(restart: boolean, current: Production | undefined): void {
    if (restart || this.#lease !== undefined) void this.#prepare(restart, current);
    else this.#start();
  }

  /** Stops the source. Resolves when the topic has ended. */
  async stop(): Promise<void> {
    this.#controller.abort();
    if (this.#abandon !== undefined) await endAsStopped(this.#topic);
    await this.outcome;
  }

  /** Stops following the producer of another process, if it does. */
  abandon(): void {
    this.#isAbandoned = true;
    this.#abandon?.();
  }

  async #prepare(restart: boolean, current: Production | undefined): Promise<void> {
    try {
      if (restart && current !== undefined) {
        await current.stop();
        await whenClosed(current.#run?.closed ?? Promise.resolve());
      }
      if (this.#lease === undefined) await this.#clear();
      else if (!(await this.#acquire(this.#lease, restart))) {
        await this.#join();
        return;
      }
    } catch (error) {
      this.#finish({ outcome: { ...FAILED, position: this.#topic.position }, failure: { error } });
      return;
    }
    this.#start();
  }

  /** Acquires the lease. Returns whether this is the producer; otherwise there is one, or the topic has ended. */
  async #acquire(lease: Lease, restart: boolean): Promise<boolean> {
    const topic = this.#topic;
    let answer: LeaseAnswer = "held";
    for (let attempt = 0; attempt < MAX_ATTEMPTS; attempt += 1) {
      if (restart) await endAsStopped(topic);
      answer = await lease.acquire(topic.bounds, restart, (error) => this.#run?.interrupt(error));
      // Another process may have begun it anew meanwhile, too.
      if (answer === "acquired" || !restart) break;
    }
    if (answer === "acquired") {
      topic.adopt(lease);
      return true;
    }
    if (restart) throw new CometError("ERR_BROKER", "Other processes have begun the topic anew at the same time.");
    return false;
  }

  /** Follows the producer of another process until the topic has ended. */
  async #join(): Promise<void> {
    const topic = this.#topic;
    let release: () => void = () => undefined;
    // This process may still have the topic of this name that another one has deleted.
    await topic.refresh()?.catch(() => undefined);
    await new Promise<void>((resolve) => {
      const look = (): void => {
        if (topic.ended !== undefined || topic.isRemoved) resolve();
      };
      this.#abandon = resolve;
      if (this.#isAbandoned) resolve();
      release = topic.begin(look);
      // The end is among the entries that the broker has now, or among those that are appended from now on.
      topic.refresh()?.then(look, () => undefined);
      // It was stopped before it was known that another process has the producer.
      if (this.#controller.signal.aborted) void endAsStopped(topic).catch(() => undefined);
    });
    const outcome = topic.ended ?? { ...(topic.isRemoved ? STOPPED : LOST), position: topic.position };
    release();
    this.#finish({ outcome });
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
    // A topic that has a lease has begun, and must end.
    if (signal.aborted && this.#lease === undefined) {
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
    this.#lease?.release();
    // Being closed with the hub, or ended by another process before the source began, is no failure.
    const isOwn = !hasCode(failure?.error, "ERR_CLOSED") && !hasCode(failure?.error, "ERR_ENDED");
    if (failure !== undefined && isOwn) {
      const what = `The producer of the topic ${describe(this.#topic.name)} has failed.`;
      const isLost = hasCode(failure.error, "ERR_PRODUCER_LOST");
      this.#sources.onError(isLost ? failure.error : new CometError("ERR_FAILED", what, { cause: failure.error }));
    }
    this.#resolve(outcome);
  }
}

/** Ends a topic that has begun and not ended. */
export async function endAsStopped(topic: ProducedTopic): Promise<void> {
  const hasEnded = (): boolean => topic.ended !== undefined;
  await topic.refresh();
  if (!topic.isFinite || !topic.hasBegun || hasEnded()) return;
  try {
    await topic.end(STOPPED);
  } catch (error) {
    // Other code may have ended it first.
    if (!hasCode(error, "ERR_ENDED")) throw error;
  }
}

function hasCode(error: unknown, code: CometErrorCode): boolean {
  return error instanceof CometError && error.code === code;
}

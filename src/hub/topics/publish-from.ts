import { CometError, describe } from "../../core/errors.ts";
import type { OnError } from "../../core/on-error.ts";
import type { Source } from "../../stream/sources/from.ts";
import type { PublishFromOptions, StreamOutcome } from "../published-streams.ts";
import { whenClosed } from "./close-source.ts";
import { SharedSlice } from "./shared-slice.ts";
import { SourceRun, type SourceHost } from "./source-run.ts";
import type { SourceTopic } from "./source-topic.ts";

/**
 * Publishes sources into topics: the bridge from the stream algebra to the hub.
 *
 * It keeps the sources that are being published, so that `close` reaches them. They share a time slice of each turn,
 * and the room for messages that a broker has not acknowledged.
 */
export class SourcePublisher implements SourceHost {
  readonly slice: SharedSlice;
  readonly onError: OnError;
  unacknowledged = 0;
  unacknowledgedBytes = 0;
  /** The sources that are published, or not closed yet. */
  readonly #runs = new Set<SourceRun>();
  #isClosed = false;

  /** @param sliceMs The time in milliseconds that all sources together may take in one turn of the event loop. */
  constructor(sliceMs: number, onError: OnError) {
    this.slice = new SharedSlice(sliceMs);
    this.onError = onError;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  /**
   * Implements `Topic.publishFrom`, which documents it.
   *
   * @param toSent Returns what is sent for an element: the topic's encoder.
   */
  publishFrom(
    topic: SourceTopic,
    source: Source<unknown>,
    { signal }: PublishFromOptions,
    toSent?: (element: unknown) => unknown,
  ): Promise<StreamOutcome> {
    return this.start(topic, source, signal, toSent).result.then(({ outcome, failure }) => {
      if (failure !== undefined) throw failure.error;
      return outcome;
    });
  }

  /**
   * Begins to publish a source.
   *
   * @throws {CometError} `ERR_SOURCE` if it is no source, `ERR_OPTION` if `signal` is no `AbortSignal` of this realm.
   */
  start(
    topic: SourceTopic,
    source: Source<unknown>,
    signal: AbortSignal | undefined,
    toSent: (element: unknown) => unknown = (element) => element,
  ): SourceRun {
    if (signal !== undefined && !((signal as unknown) instanceof AbortSignal)) {
      throw new CometError("ERR_OPTION", `signal must be an AbortSignal, not ${describe(signal)}.`);
    }
    const run = new SourceRun(this, topic, source, signal, toSent);
    this.#runs.add(run);
    void Promise.all([run.result, run.closed]).then(() => this.#runs.delete(run));
    run.begin();
    return run;
  }

  /**
   * Stops all sources, whose finite topics end as failed, and refuses further ones. It waits until the ends are
   * published and the sources closed, for 5 s at most. Call it while messages can still be published.
   */
  async close(): Promise<void> {
    this.#isClosed = true;
    const runs = [...this.#runs];
    for (const run of runs) run.interrupt();
    await whenClosed(Promise.all(runs.flatMap(({ result, closed }) => [result, closed])));
  }
}

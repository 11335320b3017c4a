/**
 * The public vocabulary of streams that are published into topics: `topic.publishFrom`, `hub.produce` and `hub.stop`.
 *
 * All names are public. The room `topics` implements them, and `hub.ts` joins them into `Topic` and `Hub`.
 */

import type { Source } from "../stream/sources/from.ts";
import type { Outcome } from "../wire/item.ts";
import type { IfJsonable, JsonValue } from "../wire/json.ts";

/** Options of `publishFrom`. */
export interface PublishFromOptions {
  /** When it aborts, the source is closed, and a finite topic ends as `stopped`. */
  readonly signal?: AbortSignal;
}

/** Options of `produce`. */
export interface ProduceOptions {
  /**
   * The time in milliseconds, from 1 to 2,147,483,647, that the topic is kept after its end. Only where the hub's `topics`
   * answers `true`.
   *
   * @default what the hub's `topics` says, or its `log.maxAgeMs`
   */
  readonly ttlMs?: number;
  /**
   * Whether to begin the topic anew if it has ended, or is being produced. A producer that runs is stopped first. The
   * former messages are removed, and positions in them are unknown from then on.
   *
   * @default false
   */
  readonly restart?: boolean;
  /**
   * With a broker, the time in milliseconds, from 1000 to 3,600,000, for which the producer's lease holds. It is renewed
   * three times in this time. A process that cannot renew it has lost it, and the topic ends as failed.
   *
   * @default 10_000
   */
  readonly leaseMs?: number;
}

/** The outcome of a stream that was published into a topic: the result of `publishFrom` and `produce`. */
export interface StreamOutcome {
  /**
   * `complete`: the source has ended. `stopped`: it was stopped, by a signal, by `hub.stop` or by `topic.end`.
   * `failed`: the topic says so to its readers.
   */
  readonly outcome: Outcome;
  /** Why it failed, as readers see it; only with `failed`. */
  readonly code?: string;
  readonly message?: string;
  /**
   * The topic's position after the end or, if the topic is endless, after the last message. `undefined` if the source
   * emitted nothing and the topic is a broker's.
   */
  readonly position: string | undefined;
}

/** The part of a `Topic` that publishes whole streams. */
export interface StreamPublishing<Message> {
  /**
   * Publishes the elements of a source as messages, in order, and ends a finite topic with it.
   *
   * The source is an `Enumerator`, an iterable, an async iterable, a `ReadableStream` or an observable. It is pulled on
   * demand: while half of the log is unsent to subscribers that read, it waits as an awaited `publish` does. Absent and
   * stalled subscribers never hold it. Elements that are ready in one turn of the event loop are flushed together. A
   * source that never waits takes at most the hub's `flushSliceMs` of each turn, shared with all other sources. With a
   * broker at most 64 messages of a source await its acknowledgement.
   *
   * A finite topic ends as `complete` when the source ends, as `failed` when it fails, and as `stopped` when `signal`
   * aborts. Readers get the code `ERR_FAILED` and a fixed text in place of an error's own. When `hub.close` interrupts the
   * source, they get `ERR_PRODUCER_LOST`. An endless topic stays open in all cases. The topic is kept alive meanwhile,
   * with and without subscribers.
   *
   * The hub closes the source exactly once: after its end or failure, when a message cannot be published, when `signal`
   * aborts (a source is then closed unread if it has aborted already), when the topic ends or is deleted meanwhile, and at
   * `hub.close`. An error of the clean-up fails the stream if the source had ended, goes to `onError` if it was stopped,
   * and is dropped if the source had failed.
   *
   * @returns Resolves when the last message and the end are published: after the source's clean-up if the source ended
   *   by itself, without waiting for it if it was stopped. Being stopped is an outcome, not an error, whether `signal`,
   *   `topic.end` or `hub.stop` stopped it; if other code ended the topic, the outcome is that end's. It rejects with the
   *   error of the source; with `ERR_ENDED` if the topic had ended before the call; with `ERR_ENCODER`, `ERR_MESSAGE` and
   *   any error of the encoder for an element; with `ERR_LIMIT` and the codes of a broker as `publish`; with `ERR_CLOSED`
   *   when the hub closes.
   * @throws {CometError} At once, without closing the source: `ERR_SOURCE` if it is no source, `ERR_OPTION` if `signal` is
   *   no `AbortSignal`.
   * @example
   * ```ts
   * const answer = hub.topic<string>("answer:1", { finite: true });
   * const { outcome } = await answer.publishFrom(model.stream(question), { signal: request.signal });
   * if (outcome === "complete") await store(question);
   * ```
   */
  publishFrom(source: Source<Message>, options?: PublishFromOptions): Promise<StreamOutcome>;
}

/** The part of a `Hub` that runs producers. */
export interface StreamProducing {
  /**
   * Runs a producer once, and publishes its source into a finite topic, which ends with it.
   *
   * It calls `factory` at once, or in the next turn of the event loop if readers wait for the topic, so that they connect
   * first. It publishes the source as `publishFrom` does. A call for a name that is being produced
   * joins it, as does one for a name that has ended and is still kept: `factory` is not called, and the result is the
   * same. So a repeated request does not start the work again. `{ restart: true }` stops a producer that runs, waits until
   * its source is closed, for 5 s at most, and begins the topic anew: readers of the former one have its end.
   *
   * The `signal` that `factory` gets aborts when the stream is stopped: by `hub.stop`, by `topic.end` or `topic.delete`,
   * by `hub.close`, or when a message cannot be published. Pass it on to what the source waits for. The source is closed
   * then even if it ignores the signal, and nothing that it emits later is published. A source that arrives later is
   * closed unread.
   *
   * With a broker it calls `factory` in one process, which holds a lease, and calls in other processes join it. A process
   * that dies, or cannot reach the broker for `leaseMs`, loses the lease: the topic ends as `failed` with
   * `ERR_PRODUCER_LOST` for the readers of all processes, and nothing that it publishes later is seen. If the broker cannot
   * be reached at the beginning, the outcome is `failed`, and `factory` is not called.
   *
   * A `factory` that throws, rejects or returns no source, and a source that fails, end the topic as `failed`. Readers get
   * the code `ERR_FAILED` and a fixed text; the error goes to `onError`. At `hub.close` a stream that is not complete after
   * the drain ends as `failed` with `ERR_PRODUCER_LOST`.
   *
   * @param name A topic that the hub's `topics` declares as finite or leaves open; the latter becomes finite.
   * @param factory Returns the source, or a promise of it. Its elements are strings or JSON; map other types.
   * @returns Resolves to the outcome when the topic has ended. Never rejects, so it need not be awaited.
   * @throws {CometError} At once: `ERR_TOPIC`, `ERR_TOPIC_UNKNOWN` for the name; `ERR_OPTION` for an endless topic or bad
   *   arguments; `ERR_CLOSED` after `hub.close` was called; `ERR_BROKER_CONFIG` if the hub's broker keeps no topics that
   *   end, or not for `ttlMs`.
   * @example
   * ```ts
   * app.post("/answers/:id", (request, response) => {
   *   hub.produce(`answer:${request.params.id}`, (signal) => model.stream(request.body, { signal }));
   *   response.status(202).end();
   * });
   * ```
   */
  produce<Message = JsonValue>(
    name: string & IfJsonable<Message>,
    factory: (signal: AbortSignal) => Source<Message> | PromiseLike<Source<Message>>,
    options?: ProduceOptions,
  ): Promise<StreamOutcome>;

  /**
   * Stops the stream of a finite topic: its producer's signal aborts, its source is closed, and it ends as `stopped`.
   *
   * With a broker it may be called in any process. It stops a source of `publishFrom` too, and ends a finite topic that has begun and that no source fills. It does
   * nothing to an endless topic, one that has ended and one that has not begun.
   *
   * @returns Resolves when the topic has ended. It rejects with the error if the end cannot be published, which is no
   *   unhandled rejection.
   * @throws {CometError} At once: `ERR_TOPIC`, `ERR_TOPIC_UNKNOWN` for the name.
   * @example
   * ```ts
   * app.delete("/answers/:id", (request, response) => {
   *   hub.stop(`answer:${request.params.id}`);
   *   response.status(204).end();
   * });
   * ```
   */
  stop(name: string): Promise<void>;
}

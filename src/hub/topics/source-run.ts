import { CometError, describe } from "../../core/errors.ts";
import type { OnError } from "../../core/on-error.ts";
import { afterTurn } from "../../core/turn.ts";
import { Enumerator } from "../../stream/enumerator.ts";
import { openRun } from "../../stream/open.ts";
import { Pump, type Consumer } from "../../stream/pump.ts";
import { from, type Source } from "../../stream/sources/from.ts";
import type { StreamOutcome } from "../published-streams.ts";
import { closeUnread, WatchedRun } from "./close-source.ts";
import { PendingSends, type SentByAll } from "./pending-sends.ts";
import type { SharedSlice } from "./shared-slice.ts";
import { COMPLETE, FAILED, LOST, STOPPED, type End, type SourceTopic } from "./source-topic.ts";

/** The parts that all sources of a hub share. */
export interface SourceHost extends SentByAll {
  readonly slice: SharedSlice;
  readonly onError: OnError;
  readonly isClosed: boolean;
}

/** The result of publishing a source. */
export interface SourceResult {
  readonly outcome: StreamOutcome;
  /** The error of the source, of a message or of the end, if there was one. */
  readonly failure?: Failure;
}

interface Failure {
  readonly error: unknown;
}

/**
 * One source that is published into a topic: from its opening to its end and the topic's.
 *
 * The first of these decides the outcome, and the rest is ignored: the source ends or fails, a message cannot be
 * published, the signal aborts, the topic is ended or removed by other code, the hub closes. The `Pump` closes the
 * source exactly once. The topic's end does not wait until the source is closed, since a source may never be.
 *
 * Invariants: an element at hand costs no promise. Once the outcome is decided, nothing more is published.
 */
export class SourceRun implements Consumer<unknown> {
  /** Resolves when the topic has its last message, and its end. Never rejects. */
  readonly result: Promise<SourceResult>;
  /** Resolves when the source is closed. Never rejects; it may never resolve. */
  readonly closed: Promise<void>;
  readonly #host: SourceHost;
  readonly #topic: SourceTopic;
  readonly #source: Source<unknown>;
  readonly #signal: AbortSignal | undefined;
  readonly #toSent: (element: unknown) => unknown;
  readonly #pump: Pump<unknown>;
  #resolveResult: (result: SourceResult) => void = () => undefined;
  #resolveClosed: () => void = () => undefined;
  #isOpen = false;
  #isDecided = false;
  #failure: Failure | undefined;
  #release: () => void = () => undefined;
  readonly #pending: PendingSends;
  /** Whether it waits for an acknowledgement before it takes the next element. */
  #isFull = false;

  /**
   * @param toSent Returns what is sent for an element.
   * @throws {CometError} `ERR_SOURCE` if it is no source.
   */
  constructor(
    host: SourceHost,
    topic: SourceTopic,
    source: Source<unknown>,
    signal: AbortSignal | undefined,
    toSent: (element: unknown) => unknown,
  ) {
    this.#host = host;
    this.#pending = new PendingSends(host);
    this.#topic = topic;
    this.#source = source;
    this.#signal = signal;
    this.#toSent = toSent;
    const elements = from(source);
    const watched = new Enumerator((wake) => {
      const run = openRun(elements, wake);
      this.#isOpen = true;
      return new WatchedRun(run, this.#resolveClosed);
    });
    this.#pump = new Pump(watched, this);
    this.result = new Promise((resolve) => (this.#resolveResult = resolve));
    this.closed = new Promise((resolve) => (this.#resolveClosed = resolve));
  }

  /** Opens the source, unless the topic, the hub or the signal forbids it: then it is closed unread. */
  begin(): void {
    const known = this.#topic.isFinite ? this.#topic.refresh() : undefined;
    if (known === undefined) this.#begin();
    else {
      known.then(
        () => this.#begin(),
        (error: unknown) => this.#refuse(FAILED, error),
      );
    }
  }

  #begin(): void {
    if (this.#isDecided) return;
    const { name, ended } = this.#topic;
    if (this.#host.isClosed) this.#refuse(LOST, closedHub());
    else if (ended !== undefined) {
      this.#refuse(ended, new CometError("ERR_ENDED", `The topic ${describe(name)} has ended.`));
    } else this.#open();
  }

  /** Stops the source because the hub closes, or because this process may produce no longer: the topic has failed. */
  interrupt(error: CometError = closedHub()): void {
    this.#halt(LOST, { error });
  }

  take(element: unknown): boolean {
    try {
      return this.#publish(element);
    } catch (error) {
      // Before the pump closes the source, which may abort the signal.
      this.#decideFailure(error);
      throw error;
    }
  }

  /** Called by the pump when the source has ended and is closed. */
  end(): void {
    // A source that ends because its signal aborts is not complete.
    this.#decide(this.#isAborted ? STOPPED : COMPLETE);
  }

  /** Called by the pump when the source, its clean-up or `take` has failed. */
  fail(error: unknown): void {
    if (!this.#isOpen) this.#resolveClosed();
    this.#decideFailure(error);
  }

  get #isAborted(): boolean {
    return this.#signal?.aborted === true;
  }

  #open(): void {
    const { isAwaited } = this.#topic;
    try {
      this.#release = this.#topic.begin(() => this.#onChange());
    } catch (error) {
      this.#refuse(FAILED, error);
      return;
    }
    if (this.#isAborted) {
      this.#discard();
      this.#decide(STOPPED);
      return;
    }
    this.#signal?.addEventListener("abort", this.#onAbort);
    // Readers that wait for the beginning connect in this turn. A source that never waits would pass them.
    if (isAwaited) afterTurn(this.#resume);
    else this.#pump.resume();
  }

  /** Publishes an element. Returns whether the next one may follow in this turn. */
  #publish(element: unknown): boolean {
    const topic = this.#topic;
    const message = topic.encode(this.#toSent(element));
    const sent = topic.send(message);
    if (typeof sent === "string") this.#pending.position = sent;
    else this.#pending.add(sent, message.bytes, this.#onRejected, this.#onSettled);
    const paced = topic.paced();
    const { slice } = this.#host;
    if (paced !== undefined) void paced.then(this.#resume, this.#resume);
    else if (!this.#pending.hasRoom) this.#isFull = true;
    else if (slice.isOpen) return true;
    else slice.wait(this.#resume);
    return false;
  }

  readonly #onAbort = (): void => this.#halt(STOPPED);

  /** Continues after a pause. */
  readonly #resume = (): void => {
    if (this.#isDecided) return;
    if (this.#pending.hasRoom) this.#pump.resume();
    else this.#isFull = true;
  };

  #onChange(): void {
    if (this.#topic.ended !== undefined || this.#topic.isRemoved) this.#halt(undefined);
  }

  /** Called with the error of a message that the broker has not published. */
  readonly #onRejected = (error: unknown): void => {
    const code = error instanceof CometError ? error.code : undefined;
    // Other code has ended the topic, and its listener is not notified yet.
    if (code === "ERR_ENDED") this.#halt(undefined);
    else if (code === "ERR_PRODUCER_LOST") this.interrupt(error as CometError);
    else {
      // Nothing more is sent. With a lease the broker publishes none of those that were sent after it.
      this.#failure ??= { error };
      this.#halt(FAILED);
    }
  };

  readonly #onSettled = (): void => {
    if (!this.#isFull || !this.#pending.hasRoom) return;
    this.#isFull = false;
    this.#resume();
  };

  /** Closes the source unread: its topic cannot take it. */
  #refuse(end: End, error: unknown): void {
    this.#discard();
    this.#isDecided = true;
    const { position } = this.#topic;
    this.#resolveResult({ outcome: { ...end, position }, failure: { error } });
  }

  /** Stops the source before its end. An error of its clean-up goes to `onError`. */
  #halt(end: End | undefined, failure?: Failure): void {
    if (this.#isDecided) return;
    this.#decide(end, failure);
    if (!this.#isOpen) this.#discard();
    this.#pump.stop().catch(this.#host.onError);
  }

  #decideFailure(error: unknown): void {
    // A source usually fails when its signal aborts.
    if (this.#isAborted) this.#decide(STOPPED);
    else this.#decide(FAILED, { error });
  }

  /** Decides the outcome, once. @param end The topic's end; `undefined` if other code has ended or removed it. */
  #decide(end: End | undefined, failure?: Failure): void {
    if (this.#isDecided) return;
    this.#isDecided = true;
    this.#failure ??= failure;
    this.#signal?.removeEventListener("abort", this.#onAbort);
    void this.#conclude(end);
  }

  /** Writes the end after the last message. Synchronous where there is no broker, so that one flush sends both. */
  async #conclude(end: End | undefined): Promise<void> {
    const settled = this.#pending.settled();
    if (settled !== undefined) await settled;
    // A source that has ended is not complete if one of its last messages is missing.
    const own = end === COMPLETE && this.#failure !== undefined ? FAILED : end;
    const written = own !== undefined && this.#topic.isFinite ? await this.#write(own) : own;
    if (own === undefined) await this.#knowEnd();
    const outcome = this.#topic.ended ?? {
      ...(written ?? STOPPED),
      position: this.#pending.position ?? this.#topic.position,
    };
    this.#release();
    this.#resolveResult({ outcome, ...(this.#failure === undefined ? {} : { failure: this.#failure }) });
  }

  /** Ends the topic. Returns the end that it has now. */
  async #write(end: End): Promise<End> {
    try {
      this.#pending.position = await this.#topic.end(end);
      return end;
    } catch (error) {
      // Other code may have ended it first.
      await this.#knowEnd();
      const { ended, isReplaced } = this.#topic;
      if (ended !== undefined) return ended;
      const code = error instanceof CometError ? error.code : undefined;
      const isPreceded = code === "ERR_ENDED" || code === "ERR_PRODUCER_LOST";
      // Its end can no longer be read. What begins a topic anew stops it first.
      if (isPreceded && isReplaced) return STOPPED;
      if (this.#failure !== undefined && !isPreceded) this.#host.onError(error);
      this.#failure ??= { error };
      if (end.outcome === "failed") return end;
      return code === "ERR_PRODUCER_LOST" ? LOST : FAILED;
    }
  }

  /** Waits until it is known here that other code has ended the topic. */
  async #knowEnd(): Promise<void> {
    const { isFinite, ended, isRemoved } = this.#topic;
    if (!isFinite || ended !== undefined || isRemoved) return;
    try {
      await this.#topic.refresh();
    } catch {
      // The broker cannot be read. The caller does without.
    }
  }

  #discard(): void {
    void closeUnread(this.#source).catch(this.#host.onError).then(this.#resolveClosed);
  }
}

function closedHub(): CometError {
  return new CometError("ERR_CLOSED", "The hub is closed.");
}

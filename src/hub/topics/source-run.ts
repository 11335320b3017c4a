import { CometError, describe } from "../../core/errors.ts";
import type { OnError } from "../../core/on-error.ts";
import { afterTurn } from "../../core/turn.ts";
import { Enumerator } from "../../stream/enumerator.ts";
import { openRun } from "../../stream/open.ts";
import { Pump, type Consumer } from "../../stream/pump.ts";
import { from, type Source } from "../../stream/sources/from.ts";
import type { StreamOutcome } from "../published-streams.ts";
import { closeUnread, WatchedRun } from "./close-source.ts";
import type { SharedSlice } from "./shared-slice.ts";
import { COMPLETE, FAILED, LOST, STOPPED, type End, type SourceTopic } from "./source-topic.ts";

/** The most messages of one source that await the broker's acknowledgement. */
const MAX_UNACKNOWLEDGED = 64;
/**
 * The messages of all sources that may await it, and their bytes. Beyond them a source has one at a time, so that
 * `publish` has half of the bounds of `BrokerLink` to itself.
 */
const MAX_UNACKNOWLEDGED_IN_ALL = 4096;
const MAX_UNACKNOWLEDGED_BYTES = 8_388_608;

/** The parts that all sources of a hub share. */
export interface SourceHost {
  readonly slice: SharedSlice;
  readonly onError: OnError;
  readonly isClosed: boolean;
  /** The messages of all sources that the broker has not acknowledged, and their bytes. */
  unacknowledged: number;
  unacknowledgedBytes: number;
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
  /** The position after the newest of its messages. */
  #position: string | undefined;
  #sent = 0;
  #acknowledged = 0;
  #unacknowledged = 0;
  /** Whether it waits for an acknowledgement before it takes the next element. */
  #isFull = false;
  #onAllAcknowledged: () => void = () => undefined;

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

  get #hasRoom(): boolean {
    const { unacknowledged, unacknowledgedBytes } = this.#host;
    if (this.#unacknowledged === 0) return true;
    const isCrowded = unacknowledged >= MAX_UNACKNOWLEDGED_IN_ALL || unacknowledgedBytes >= MAX_UNACKNOWLEDGED_BYTES;
    return !isCrowded && this.#unacknowledged < MAX_UNACKNOWLEDGED;
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
    if (typeof sent === "string") this.#position = sent;
    else this.#awaitAcknowledgement(sent, message.bytes);
    const paced = topic.paced();
    const { slice } = this.#host;
    if (paced !== undefined) void paced.then(this.#resume, this.#resume);
    else if (!this.#hasRoom) this.#isFull = true;
    else if (slice.isOpen) return true;
    else slice.wait(this.#resume);
    return false;
  }

  readonly #onAbort = (): void => this.#halt(STOPPED);

  /** Continues after a pause. */
  readonly #resume = (): void => {
    if (this.#isDecided) return;
    if (this.#hasRoom) this.#pump.resume();
    else this.#isFull = true;
  };

  #onChange(): void {
    if (this.#topic.ended !== undefined || this.#topic.isRemoved) this.#halt(undefined);
  }

  #awaitAcknowledgement(sent: Promise<string>, bytes: number): void {
    const host = this.#host;
    const order = (this.#sent += 1);
    this.#unacknowledged += 1;
    host.unacknowledged += 1;
    host.unacknowledgedBytes += bytes;
    const settle = (): void => {
      this.#unacknowledged -= 1;
      host.unacknowledged -= 1;
      host.unacknowledgedBytes -= bytes;
      if (this.#unacknowledged === 0) this.#onAllAcknowledged();
      if (!this.#isFull || !this.#hasRoom) return;
      this.#isFull = false;
      this.#resume();
    };
    sent.then(
      (position) => {
        if (order > this.#acknowledged) {
          this.#acknowledged = order;
          this.#position = position;
        }
        settle();
      },
      (error: unknown) => {
        const code = error instanceof CometError ? error.code : undefined;
        // Other code has ended the topic, and its listener is not notified yet.
        if (code === "ERR_ENDED") this.#halt(undefined);
        else if (code === "ERR_PRODUCER_LOST") this.interrupt(error as CometError);
        else {
          // Nothing more is sent. With a lease the broker publishes none of those that were sent after it.
          this.#failure ??= { error };
          this.#halt(FAILED);
        }
        settle();
      },
    );
  }

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
    if (this.#unacknowledged > 0) await new Promise<void>((resolve) => (this.#onAllAcknowledged = resolve));
    // A source that has ended is not complete if one of its last messages is missing.
    const own = end === COMPLETE && this.#failure !== undefined ? FAILED : end;
    const written = own !== undefined && this.#topic.isFinite ? await this.#write(own) : own;
    if (own === undefined) await this.#knowEnd();
    const outcome = this.#topic.ended ?? { ...(written ?? STOPPED), position: this.#position ?? this.#topic.position };
    this.#release();
    this.#resolveResult({ outcome, ...(this.#failure === undefined ? {} : { failure: this.#failure }) });
  }

  /** Ends the topic. Returns the end that it has now. */
  async #write(end: End): Promise<End> {
    try {
      this.#position = await this.#topic.end(end);
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

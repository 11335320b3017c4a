import { Backoff } from "../../core/backoff.ts";
import { now } from "../../core/clock.ts";
import { CometError } from "../../core/errors.ts";
import { afterTurn } from "../../core/turn.ts";
import type { Broker, BrokerMessage, FiniteState, History, Notice } from "../../log/broker.ts";
import type { Log } from "../../log/log.ts";
import type { BrokerLink } from "./broker-link.ts";
import { assertHistory, isNotice } from "./check-broker-input.ts";
import type { LiveTopic } from "./live-topic.ts";
import { tailOf } from "./tail.ts";

/** A caller of `refresh`. */
interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** The part of a hub's topics that a replica needs. */
export interface ReplicaHost {
  /** Notes what the broker knows of a topic that ends. */
  noteFinite(topic: LiveTopic, state: FiniteState): void;
  /** Forgets a topic, and stops its replica: the broker has deleted it, or begun it anew. */
  noteReplaced(topic: LiveTopic): void;
  report(error: unknown): void;
}

/** The number of notices buffered during a read. Beyond it they are dropped, and the replica reads again. */
const MAX_BUFFERED_NOTICES = 1000;

/**
 * Keeps the log of one topic equal to the broker's.
 *
 * It listens first and then reads, so that it misses nothing in between. Afterwards it appends each notice that follows
 * the log's newest message, and reads again where a notice does not. So the log has every message once and in the
 * broker's order, or a hole where the broker itself has lost some.
 *
 * Invariants: listen before the first read. At most one read is under way; notices that arrive meanwhile are buffered,
 * since appending them could put messages out of order. A stored entry that is not a message becomes a hole, and is
 * reported once; a notice that is not a message only causes a read, since the stored entry may be right.
 */
export class Replica {
  readonly #topic: LiveTopic;
  readonly #log: Log;
  readonly #link: BrokerLink;
  readonly #broker: Broker;
  readonly #host: ReplicaHost;
  readonly #backoff = new Backoff({ firstMs: 100, maxMs: 5000 });
  #isListening = false;
  #isLoaded = false;
  /** Whether the broker has said that the topic ends, and has begun. */
  #isFinite = false;
  /** Whether the broker has said whether the topic ends: known since its beginning. */
  #isKindKnown: boolean;
  /** Whether the newest message must be compared with the broker's, which may have lost it. */
  #mustVerifyNewest = false;
  /** The newest message, as the broker gave it. */
  #newest: BrokerMessage | undefined;
  /** The last time at which the log certainly had everything, by the hub's clock. */
  #currentAt = -Infinity;
  /** Whether a read is due, and whether one is under way. */
  #isReadDue = false;
  #isReading = false;
  /** Notices that arrived during a read; `undefined` if there were too many. */
  #buffered: Notice[] | undefined = [];
  #waiters: Waiter[] = [];
  /** The number of attempts that have failed since the last success, while the broker was connected. */
  #failures = 0;
  /** The error of the last attempt, until the next attempt begins. */
  #failure: { readonly error: unknown } | undefined;
  /** Ends the present backoff at once. */
  #endBackoff: (() => void) | undefined;
  #isStopped = false;

  constructor(topic: LiveTopic, link: BrokerLink, host: ReplicaHost) {
    this.#topic = topic;
    this.#log = topic.log;
    this.#link = link;
    this.#broker = link.broker;
    this.#isKindKnown = link.broker.finite === undefined;
    this.#host = host;
  }

  /** Whether the log has been read from the broker, with what the broker knows of a topic that has begun. */
  get isLoaded(): boolean {
    return this.#isLoaded && (this.#isKindKnown || this.#log.headOffset === 0);
  }

  /**
   * Resolves when the log has everything that the broker had when this was called.
   *
   * @returns Rejects with the broker's error if it could not be read. The replica keeps retrying.
   */
  refresh(): Promise<void> {
    // During a backoff the caller would wait long for the next attempt.
    if (this.#failure !== undefined) return Promise.reject(this.#failure.error);
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      this.#scheduleRead();
    });
  }

  /** Reads again, because notices may have been missed and messages lost. Called when the broker has reconnected. */
  restored(): void {
    this.#mustVerifyNewest = true;
    this.#endBackoff?.();
    this.#scheduleRead();
  }

  /** Stops listening and reading, and rejects pending `refresh` calls with `ERR_CLOSED`. */
  stop(): void {
    this.#isStopped = true;
    this.#endBackoff?.();
    const error = new CometError("ERR_CLOSED", "The topic has no subscribers any more.");
    for (const { reject } of this.#waiters.splice(0)) reject(error);
    if (this.#isListening) this.#broker.unlisten(this.#log.topic);
  }

  #scheduleRead(): void {
    this.#isReadDue = true;
    if (!this.#isReading) void this.#readUntilCurrent();
  }

  /** Reads until no read is due. Backs off after a failure. */
  async #readUntilCurrent(): Promise<void> {
    this.#isReading = true;
    while (this.#isReadDue && !this.#isStopped) {
      this.#isReadDue = false;
      const waiters = this.#waiters.splice(0);
      try {
        await this.#link.reads.run(() => this.#readPages());
        this.#backoff.reset();
        this.#failures = 0;
        for (const { resolve } of waiters) resolve();
      } catch (error) {
        for (const { reject } of waiters) reject(error);
        this.#reportFailure(error);
        this.#isReadDue = true;
        this.#failure = { error };
        await this.#backOff();
        this.#failure = undefined;
      }
      this.#applyBuffered();
    }
    this.#isReading = false;
  }

  /** Reads everything that the log lacks, page by page. */
  async #readPages(): Promise<void> {
    const broker = this.#broker;
    const { topic } = this.#log;
    const { bounds } = this.#topic.settings;
    if (!this.#isListening) {
      await broker.listen(topic, (notice) => this.#onNotice(notice));
      this.#isListening = true;
      if (this.#isStopped) broker.unlisten(topic);
    }
    let renewed: string | undefined;
    for (;;) {
      if (this.#isStopped) return;
      const askedAt = now();
      const after = this.#log.headOffset;
      const verifies = this.#mustVerifyNewest && this.#newest !== undefined;
      const from = verifies ? after - 1 : after;
      const history = await this.#read(from, askedAt - this.#currentAt);
      // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- `stop` may have run during the read.
      if (this.#isStopped) return;
      if (this.#isReplaced(history)) {
        // Readers get what has been appended in this turn.
        await new Promise<void>(afterTurn);
        for (const { resolve } of this.#waiters.splice(0)) resolve();
        this.#host.noteReplaced(this.#topic);
        return;
      }
      if (this.#isLoaded && history.epoch === this.#log.epoch && !this.#stillHasNewest(history, verifies)) {
        // Without this a broker that keeps its epoch would be asked again and again, with no pause.
        if (renewed === history.epoch) throw new CometError("ERR_BROKER", "The broker has begun no other epoch.");
        renewed = history.epoch;
        await broker.renew(topic, renewed);
        continue;
      }
      const isAnotherEpoch = history.epoch !== this.#log.epoch;
      let { floor } = history;
      if (isAnotherEpoch || floor > after) {
        if (isAnotherEpoch && this.#leavesOlder) floor = await tailOf(history, bounds, (next) => this.#read(next));
        // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- `stop` may have run during the read.
        if (this.#isStopped) return;
        this.#topic.restart(history.epoch, floor, history.finite?.begunAfter);
        this.#newest = undefined;
      }
      this.#mustVerifyNewest = false;
      // The page begins after `from`: it lacks messages of the new epoch, or has some that the log leaves to the broker.
      if (isAnotherEpoch && (from > history.floor || floor > history.floor)) continue;
      for (const message of history.messages) {
        if (message.offset > this.#log.headOffset) this.#appendRead(message, history.now - message.at);
      }
      if (history.messages.length > 0 && history.head > this.#log.headOffset) continue;
      this.#isLoaded = true;
      if (history.finite !== undefined || history.head > 0) this.#isKindKnown = true;
      this.#currentAt = askedAt;
      return;
    }
  }

  async #read(after: number, current = Infinity): Promise<History> {
    const history = await this.#broker.read(this.#log.topic, after, this.#topic.settings.history, current);
    assertHistory(history, after);
    return history;
  }

  /** Whether the broker keeps more than the log, so that the log need not begin with the oldest message. */
  get #leavesOlder(): boolean {
    const { bounds, history, isDense } = this.#topic.settings;
    return isDense && (history.maxEntries > bounds.maxEntries || history.maxBytes > bounds.maxBytes);
  }

  /** Notes what the broker knows of a topic that ends. Returns whether it is another topic than the one of this log. */
  #isReplaced({ epoch, head, finite }: History): boolean {
    if (finite === undefined) return this.#isFinite;
    const topic = this.#topic;
    const { ended, headOffset } = this.#log;
    const isSame = epoch === this.#log.epoch && head === headOffset;
    if (ended !== undefined && !isSame) return true;
    if (ended === undefined && this.#isFinite && topic.isExpired !== finite.isExpired) return true;
    this.#isFinite = true;
    this.#host.noteFinite(topic, finite);
    return false;
  }

  /** Whether the broker still has the newest message that it notified, if it should. */
  #stillHasNewest({ head, floor, messages }: History, verifies: boolean): boolean {
    const { headOffset } = this.#log;
    if (head < headOffset) return false;
    return !verifies || floor >= headOffset || isSame(this.#newest, messages[0]);
  }

  #onNotice(notice: unknown): void {
    if (this.#isStopped) return;
    if (!isNotice(notice)) {
      this.#link.reportSkipped(this.#log.topic, "", "A notice", "It has no valid epoch, offset or message.");
      return;
    }
    if (!this.#isReading) this.#apply(notice);
    else if (this.#buffered === undefined || this.#buffered.length === MAX_BUFFERED_NOTICES) this.#buffered = undefined;
    else this.#buffered.push(notice);
  }

  /** Applies the notices that arrived during the read. */
  #applyBuffered(): void {
    const buffered = this.#buffered;
    this.#buffered = [];
    if (buffered === undefined) this.#isReadDue = true;
    else for (const notice of buffered) if (!this.#isReadDue) this.#apply(notice);
  }

  #apply({ epoch, previous, message }: Notice): void {
    const { headOffset } = this.#log;
    if (!this.#isLoaded) return;
    const isNew = message.offset > headOffset;
    // A notice that follows an older message shows that the broker holds no more: after a long silence, or after a
    // loss. The read below finds out.
    if (epoch === this.#log.epoch && isNew && this.#log.ended === undefined) {
      const decoded = this.#link.decode(this.#log.topic, this.#log.epoch, message);
      if (decoded !== undefined && previous === headOffset) {
        this.#newest = message;
        this.#topic.append(decoded, message.offset);
        this.#currentAt = now();
        // A notice does not say whether the topic ends.
        if (!this.#isKindKnown) this.#scheduleRead();
        return;
      }
    }
    if (epoch === this.#log.epoch && !isNew) {
      // The read returned it before its notice arrived, unless the broker assigns its offsets a second time.
      if (message.offset < headOffset || isSame(this.#newest, message)) return;
      this.#mustVerifyNewest = true;
    }
    this.#scheduleRead();
  }

  /** Appends a message that was read, or a hole where there is none. */
  #appendRead(message: BrokerMessage, ageMs: number): void {
    const { topic, epoch, headOffset } = this.#log;
    const { offset } = message;
    if (this.#topic.settings.isDense && offset > headOffset + 1) {
      this.#link.reportRemoved(topic, epoch, headOffset, offset);
      this.#topic.restart(epoch, offset - 1);
    }
    this.#newest = message;
    const decoded = this.#link.decode(topic, epoch, message);
    if (decoded === undefined) this.#topic.restart(epoch, offset);
    else this.#topic.append(decoded, offset, Math.max(0, ageMs));
  }

  /** Reports a failed attempt. The broker link reports a lost broker once, for all replicas. */
  #reportFailure(error: unknown): void {
    if (!(error instanceof CometError && error.code === "ERR_BROKER")) this.#host.report(error);
    // The first failure may precede the loss of the connection that caused it.
    else if (this.#link.isConnected && (this.#failures += 1) === 2) this.#host.report(error);
  }

  /** Waits for the backoff before the next attempt, unless `#endBackoff` ends it. */
  #backOff(): Promise<void> {
    if (this.#isStopped) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(proceed, this.#backoff.next());
      this.#endBackoff = proceed;
      function proceed(): void {
        clearTimeout(timer);
        resolve();
      }
    });
  }
}

function isSame(one: BrokerMessage | undefined, other: BrokerMessage | undefined): boolean {
  return one?.offset === other?.offset && one?.at === other?.at && one?.json === other?.json;
}

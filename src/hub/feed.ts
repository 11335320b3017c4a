import { CometError } from "../core/errors.ts";
import type { LogBounds, Publication } from "../log/entry.ts";
import type { Broker, BrokerMessage, History, Notice } from "../log/broker.ts";
import type { Log } from "../log/log.ts";
import { now } from "../core/clock.ts";
import { decodeMessage } from "./messages.ts";

/** What a feed does to its topic, and whom it asks. */
export interface FeedHost {
  readonly broker: Broker;
  /** Adds what the broker has published so many milliseconds ago. */
  append(message: Publication, offset: number, agoMs: number): void;
  /** Begins the log anew: see `Log.restart`. */
  restart(epoch: string, offset: number): void;
  /** Runs what asks the broker, when it is its turn. */
  inTurn<T>(ask: () => Promise<T>): Promise<T>;
  onError(error: unknown): void;
}

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** How many notices wait while the log is read, before they are let go of and read instead. */
const MAX_HELD = 1000;
/** The longest wait before the first further attempt after a failure, and before any, in milliseconds. */
const FIRST_RETRY_MS = 100;
const MAX_RETRY_MS = 5000;

/**
 * What keeps the log of one topic the same as that of its broker. It listens first and then reads, so that nothing is missed between;
 * afterwards each notice that follows what the log has is added, and where one does not, the broker is read again. So the log has
 * every message once and in the broker's order, or a hole where the broker itself has lost some.
 */
export class Feed {
  readonly #log: Log;
  readonly #bounds: LogBounds;
  readonly #host: FeedHost;
  #isListening = false;
  #isLoaded = false;
  /** Whether the newest message is to be compared with the broker's, which may have lost it. */
  #isDoubtful = false;
  /** The newest message. */
  #last: BrokerMessage | undefined;
  /** When it certainly had all that there was. */
  #currentAt = -Infinity;
  /** Whether a read is due, and whether one is under way. */
  #isDue = false;
  #isReading = false;
  /** What was told meanwhile; `undefined` if it was too much. */
  #held: Notice[] | undefined = [];
  #waiters: Waiter[] = [];
  #failures = 0;
  /** What the last attempt failed with, until the next begins. */
  #failure: { readonly error: unknown } | undefined;
  #hurry: (() => void) | undefined;
  #isStopped = false;

  constructor(log: Log, bounds: LogBounds, host: FeedHost) {
    this.#log = log;
    this.#bounds = bounds;
    this.#host = host;
  }

  /** Whether the log is that of the broker, as of some time. */
  get isLoaded(): boolean {
    return this.#isLoaded;
  }

  /**
   * Resolves when the log has all that the broker had when this was called.
   *
   * @returns Rejects with the broker's error if it could not be asked; the feed goes on trying.
   */
  refresh(): Promise<void> {
    // Whoever waits for the next attempt would wait for long.
    if (this.#failure !== undefined) return Promise.reject(this.#failure.error);
    return new Promise((resolve, reject) => {
      this.#waiters.push({ resolve, reject });
      this.#look();
    });
  }

  /** Reads again: notices may have been missed, and messages lost. */
  restored(): void {
    this.#isDoubtful = true;
    this.#hurry?.();
    this.#look();
  }

  stop(): void {
    this.#isStopped = true;
    this.#hurry?.();
    const error = new CometError("ERR_CLOSED", "The topic is not followed any more.");
    for (const { reject } of this.#waiters.splice(0)) reject(error);
    if (this.#isListening) this.#host.broker.unlisten(this.#log.topic);
  }

  #look(): void {
    this.#isDue = true;
    if (!this.#isReading) void this.#run();
  }

  async #run(): Promise<void> {
    this.#isReading = true;
    while (this.#isDue && !this.#isStopped) {
      this.#isDue = false;
      const waiters = this.#waiters.splice(0);
      try {
        await this.#host.inTurn(() => this.#read());
        this.#failures = 0;
        for (const { resolve } of waiters) resolve();
      } catch (error) {
        for (const { reject } of waiters) reject(error);
        // That the broker is away was told once, by itself.
        if (!(error instanceof CometError && error.code === "ERR_BROKER")) this.#host.onError(error);
        this.#isDue = true;
        this.#failure = { error };
        await this.#pause();
        this.#failure = undefined;
      }
      this.#takeHeld();
    }
    this.#isReading = false;
  }

  async #read(): Promise<void> {
    const { broker } = this.#host;
    const { topic } = this.#log;
    if (!this.#isListening) {
      await broker.listen(topic, (notice) => this.#noticed(notice));
      this.#isListening = true;
      if (this.#isStopped) broker.unlisten(topic);
    }
    for (;;) {
      if (this.#isStopped) return;
      const askedAt = now();
      const after = this.#log.headOffset;
      const isDoubtful = this.#isDoubtful && this.#last !== undefined;
      const from = isDoubtful ? after - 1 : after;
      const history = await broker.read(topic, from, this.#bounds, askedAt - this.#currentAt);
      // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- it may have been stopped meanwhile.
      if (this.#isStopped) return;
      if (this.#isLoaded && history.epoch === this.#log.epoch && !this.#continues(history, isDoubtful)) {
        await broker.renew(topic, history.epoch);
        continue;
      }
      const isAnotherEpoch = history.epoch !== this.#log.epoch;
      if (isAnotherEpoch || history.floor > after) {
        this.#host.restart(history.epoch, history.floor);
        this.#last = undefined;
      }
      this.#isDoubtful = false;
      // What is there before that, was not asked for.
      if (isAnotherEpoch && from > history.floor) continue;
      for (const message of history.messages) {
        if (message.offset > this.#log.headOffset) this.#add(message, history.now - message.at);
      }
      if (history.messages.length > 0 && history.head > this.#log.headOffset) continue;
      this.#isLoaded = true;
      this.#currentAt = askedAt;
      return;
    }
  }

  /** Whether the broker still has the newest message that it has told us of, if it should. */
  #continues({ head, floor, messages }: History, isDoubtful: boolean): boolean {
    const { headOffset } = this.#log;
    if (head < headOffset) return false;
    return !isDoubtful || floor >= headOffset || isSame(this.#last, messages[0]);
  }

  #noticed(notice: Notice): void {
    if (this.#isStopped) return;
    if (!this.#isReading) this.#take(notice);
    else if (this.#held === undefined || this.#held.length === MAX_HELD) this.#held = undefined;
    else this.#held.push(notice);
  }

  /** Takes what was told while the log was read. */
  #takeHeld(): void {
    const held = this.#held;
    this.#held = [];
    if (held === undefined) this.#isDue = true;
    else for (const notice of held) if (!this.#isDue) this.#take(notice);
  }

  #take({ epoch, previous, message }: Notice): void {
    const { headOffset } = this.#log;
    if (!this.#isLoaded) return;
    const isNew = message.offset > headOffset;
    // One that follows something older does so because that is all that the broker holds: after a long silence, or after a loss.
    if (epoch === this.#log.epoch && isNew && previous === headOffset) {
      this.#add(message, 0);
      this.#currentAt = now();
      return;
    }
    if (epoch === this.#log.epoch && !isNew) {
      // It was read before it was told, unless the broker gives its offsets a second time.
      if (message.offset < headOffset || isSame(this.#last, message)) return;
      this.#isDoubtful = true;
    }
    this.#look();
  }

  #add(message: BrokerMessage, agoMs: number): void {
    this.#last = message;
    let decoded: Publication;
    try {
      decoded = decodeMessage(message);
    } catch (error) {
      // It cannot be had, and it is not passed over unsaid.
      this.#host.onError(error);
      this.#host.restart(this.#log.epoch, message.offset);
      return;
    }
    this.#host.append(decoded, message.offset, Math.max(0, agoMs));
  }

  /** Waits before the next attempt, for a random time that grows with each. */
  #pause(): Promise<void> {
    if (this.#isStopped) return Promise.resolve();
    const longest = Math.min(MAX_RETRY_MS, FIRST_RETRY_MS * 2 ** Math.min(this.#failures, 10));
    this.#failures += 1;
    return new Promise((resolve) => {
      const timer = setTimeout(go, longest * (0.5 + Math.random() / 2));
      this.#hurry = go;
      function go(): void {
        clearTimeout(timer);
        resolve();
      }
    });
  }
}

function isSame(one: BrokerMessage | undefined, other: BrokerMessage | undefined): boolean {
  return one?.offset === other?.offset && one?.at === other?.at && one?.json === other?.json;
}

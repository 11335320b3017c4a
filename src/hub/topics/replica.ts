import { Backoff } from "../../core/backoff.ts";
import { now } from "../../core/clock.ts";
import { CometError } from "../../core/errors.ts";
import type { OnError } from "../../core/on-error.ts";
import type { Broker, BrokerMessage, History, Notice } from "../../log/broker.ts";
import type { Publication } from "../../log/entry.ts";
import type { Log } from "../../log/log.ts";
import type { BrokerLink } from "./broker-link.ts";
import { decodeMessage } from "./encode-message.ts";
import type { LiveTopic } from "./live-topic.ts";

interface Waiter {
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** How many notices wait while the log is read; beyond that they are dropped, and read instead. */
const MAX_HELD = 1000;

/**
 * Keeps the log of one topic the same as the broker's. It listens first and then reads, so that it misses nothing in between. Afterwards
 * it appends each notice that follows the log's newest message, and reads again where a notice does not. So the log has every
 * message once and in the broker's order, or a hole where the broker itself has lost some.
 */
export class Replica {
  readonly #topic: LiveTopic;
  readonly #log: Log;
  readonly #link: BrokerLink;
  readonly #broker: Broker;
  readonly #onError: OnError;
  readonly #backoff = new Backoff({ firstMs: 100, maxMs: 5000 });
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
  /** What the last attempt failed with, until the next begins. */
  #failure: { readonly error: unknown } | undefined;
  #hurry: (() => void) | undefined;
  #isStopped = false;

  constructor(topic: LiveTopic, link: BrokerLink, onError: OnError) {
    this.#topic = topic;
    this.#log = topic.log;
    this.#link = link;
    this.#broker = link.broker;
    this.#onError = onError;
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
    if (this.#isListening) this.#broker.unlisten(this.#log.topic);
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
        await this.#link.reads.run(() => this.#read());
        this.#backoff.reset();
        for (const { resolve } of waiters) resolve();
      } catch (error) {
        for (const { reject } of waiters) reject(error);
        // That the broker is away was told once, by itself.
        if (!(error instanceof CometError && error.code === "ERR_BROKER")) this.#onError(error);
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
    const broker = this.#broker;
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
      const history = await broker.read(topic, from, this.#topic.settings.bounds, askedAt - this.#currentAt);
      // eslint-disable-next-line @typescript-eslint/no-unnecessary-condition -- it may have been stopped meanwhile.
      if (this.#isStopped) return;
      if (this.#isLoaded && history.epoch === this.#log.epoch && !this.#continues(history, isDoubtful)) {
        await broker.renew(topic, history.epoch);
        continue;
      }
      const isAnotherEpoch = history.epoch !== this.#log.epoch;
      if (isAnotherEpoch || history.floor > after) {
        this.#topic.restart(history.epoch, history.floor);
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

  #add(message: BrokerMessage, ageMs: number): void {
    this.#last = message;
    let decoded: Publication;
    try {
      decoded = decodeMessage(message);
    } catch (error) {
      // It cannot be had, and it is not passed over unsaid.
      this.#onError(error);
      this.#topic.restart(this.#log.epoch, message.offset);
      return;
    }
    this.#topic.append(decoded, message.offset, Math.max(0, ageMs));
  }

  /** Waits before the next attempt, unless something hurries it. */
  #pause(): Promise<void> {
    if (this.#isStopped) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(go, this.#backoff.next());
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

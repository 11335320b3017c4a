import { CometError, describe } from "../../core/errors.ts";
import type { OnError } from "../../core/on-error.ts";
import { Semaphore } from "../../core/semaphore.ts";
import type { Broker, BrokerMessage, BrokerPublication, TopicBounds } from "../../log/broker.ts";
import type { Publication } from "../../log/entry.ts";
import type { Position } from "../../log/position.ts";
import type { LeaseMark } from "./lease.ts";

/** The most that may wait for the broker's acknowledgement: messages, and their bytes. */
const MAX_UNACKNOWLEDGED = 10_000;
const MAX_UNACKNOWLEDGED_BYTES = 16_777_216;
/** The number of reports that are remembered, so that none is repeated. The oldest is forgotten first. */
const MAX_REPORTED = 10_000;
/** The number of concurrent reads, so that ten thousand topics do not hit a broker that has just recovered. */
const MAX_READS = 64;
/** The number of pages that are read at a time for readers which are behind the logs. */
const MAX_OLDER_READS = 8;

/**
 * The beginning of a signal that a topic has begun or was deleted, which no notice shows. The name of the topic follows.
 * Processes of any version exchange it, and anybody may forge it: it causes a read of the topic, and nothing else.
 */
const CHANGED = "comet topic changed 1 ";

/** How a hub encodes messages for its broker, and decodes and checks those of the broker. */
export interface BrokerCodec {
  encode(message: Publication, mark?: LeaseMark): BrokerPublication;
  /** Throws an error if no hub could have published the message. */
  decode(topic: string, message: BrokerMessage): Publication;
}

/**
 * A hub's link to its broker: whether it is connected, the unacknowledged messages, the reads under way.
 *
 * The hub publishes to and closes the broker only through it. Keep its bounds: they are the hub's backpressure toward a
 * broker that is slow or away. Calling `attach` twice, or after another call, breaks the broker's contract.
 */
export class BrokerLink {
  readonly broker: Broker;
  /** Bounds the reads of replicas. */
  readonly reads: Semaphore = new Semaphore(MAX_READS);
  /** Bounds the reads of older messages: see `OlderPages`. */
  readonly olderReads: Semaphore = new Semaphore(MAX_OLDER_READS);
  readonly #codec: BrokerCodec;
  readonly #onError: OnError;
  readonly #reported = new Set<string>();
  #isConnected = true;
  #unacknowledged = 0;
  #unacknowledgedBytes = 0;

  constructor(broker: Broker, onError: OnError, codec: BrokerCodec) {
    this.broker = broker;
    this.#codec = codec;
    this.#onError = onError;
  }

  get isConnected(): boolean {
    return this.#isConnected;
  }

  /** The number of messages that the broker has not acknowledged. */
  get unacknowledged(): number {
    return this.#unacknowledged;
  }

  /**
   * Attaches the hub to the broker. Called once, before any other use of it.
   *
   * @param onRestored Called when the broker has reconnected: notices and signals may have been missed.
   * @param onSignal Called with every signal of presence of a process, this one included.
   * @param onChanged Called with the name of a topic that may have begun, or was deleted.
   */
  attach(onRestored: () => void, onSignal: (text: string) => void, onChanged: (topic: string) => void): void {
    this.broker.attach({
      lost: (error) => {
        this.#isConnected = false;
        this.#onError(
          new CometError("ERR_BROKER", "The broker is lost; the hub is trying to reconnect.", { cause: error }),
        );
      },
      restored: () => {
        this.#isConnected = true;
        onRestored();
      },
      signalled: (text: unknown) => {
        if (typeof text !== "string") return;
        if (text.startsWith(CHANGED)) onChanged(text.slice(CHANGED.length));
        else onSignal(text);
      },
      ignored: (error) => this.reportOnce(error.message, error),
    });
  }

  /** Decodes a message of a topic. Returns undefined, and reports it once, if no hub could have published it. */
  decode(topic: string, epoch: string, message: BrokerMessage): Publication | undefined {
    try {
      return this.#codec.decode(topic, message);
    } catch (cause) {
      const reason = cause instanceof Error ? cause.message : String(cause);
      this.reportSkipped(topic, epoch, `Message ${message.offset}`, reason, cause);
      return undefined;
    }
  }

  /** Reports once that something of a topic in the broker is skipped. */
  reportSkipped(topic: string, epoch: string, what: string, reason: string, cause?: unknown): void {
    const text = `${what} of the topic ${JSON.stringify(topic)} in the broker is skipped: ${reason}`;
    this.reportOnce(`${topic} ${epoch} ${what}`, new CometError("ERR_MESSAGE", text, { cause }));
  }

  /** Reports once that a dense topic has no messages between two offsets in the broker. */
  reportRemoved(topic: string, epoch: string, before: number, after: number): void {
    const what = after === before + 2 ? `Message ${before + 1}` : `Messages ${before + 1} to ${after - 1}`;
    this.reportSkipped(topic, epoch, what, "Another program has removed what the broker held.");
  }

  /** Reports an error to `onError`, unless one with the same key was reported. */
  reportOnce(key: string, error: CometError): void {
    if (this.#reported.has(key)) return;
    if (this.#reported.size === MAX_REPORTED) this.#reported.delete(this.#reported.values().next().value as string);
    this.#reported.add(key);
    this.#onError(error);
  }

  /**
   * Publishes a message, or the end of a topic, through the broker.
   *
   * @param mark The lease of the message's producer, if it has one.
   * @returns Rejects as `Broker.publish` does, and with `ERR_BROKER` if 10,000 messages or 16 MiB are unacknowledged.
   */
  async publish(topic: string, message: Publication, bounds: TopicBounds, mark?: LeaseMark): Promise<Position> {
    const isFull =
      this.#unacknowledged >= MAX_UNACKNOWLEDGED ||
      this.#unacknowledgedBytes + message.bytes > MAX_UNACKNOWLEDGED_BYTES;
    if (isFull) {
      const waiting = `${this.#unacknowledged} messages of ${this.#unacknowledgedBytes} bytes`;
      throw new CometError(
        "ERR_BROKER",
        `The message was not published: ${waiting} await the broker's acknowledgement.`,
      );
    }
    this.#unacknowledged += 1;
    this.#unacknowledgedBytes += message.bytes;
    try {
      return await this.broker.publish(topic, this.#codec.encode(message, mark), bounds);
    } finally {
      this.#unacknowledged -= 1;
      this.#unacknowledgedBytes -= message.bytes;
    }
  }

  /**
   * Adds a message to a transaction of the application: see `TransactionalTopics.publish`.
   *
   * @returns Rejects with `ERR_OPTION` if the broker has no transactions.
   */
  async publishIn(transaction: unknown, topic: string, message: Publication, bounds: TopicBounds): Promise<void> {
    const { name, transactional } = this.broker;
    if (transactional === undefined) {
      throw new CometError(
        "ERR_OPTION",
        `The broker ${describe(name)} has no transactions: publish without transaction.`,
      );
    }
    await transactional.publish(transaction, topic, this.#codec.encode(message), bounds);
  }

  /**
   * Ends a topic whose producer has died: see `FiniteTopics.settle`. Only with a broker that has `finite`.
   *
   * @param end The end to publish.
   */
  async settle(topic: string, end: Publication, bounds: TopicBounds): Promise<number | undefined> {
    return this.broker.finite?.settle(topic, this.#codec.encode(end), bounds);
  }

  /** Has every process read a topic that has begun without a message, or was deleted. Processes may miss it. */
  announce(topic: string): void {
    try {
      this.broker.signal(CHANGED + topic);
    } catch (error) {
      this.#onError(error);
    }
  }

  /** Closes the broker. Never rejects: an error goes to `onError`. */
  async close(): Promise<void> {
    try {
      await this.broker.close();
    } catch (error) {
      this.#onError(error);
    }
  }
}

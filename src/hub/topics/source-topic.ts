/**
 * A topic, as a source that is published into it sees it.
 *
 * `publish-from.ts` and `producers.ts` reach topics only by these interfaces: they never touch a log.
 */

import type { TopicBounds } from "../../log/broker.ts";
import type { Publication } from "../../log/entry.ts";
import type { TopicEnd } from "../../wire/item.ts";
import type { StreamOutcome } from "../published-streams.ts";
import type { EndOptions, PublishOptions } from "../topic.ts";
import type { FiniteSettings } from "./finite-life.ts";
import type { Lease, LeaseMark } from "./lease.ts";

/** The end that a source gives its topic, as readers see it. */
export type End = Omit<TopicEnd, "topic">;

/** The source was stopped on purpose. */
export const STOPPED: End = { outcome: "stopped" };
/** The source has failed. The text of its error may expose the server, so readers get this one. */
export const FAILED: End = { outcome: "failed", code: "ERR_FAILED", message: "The source of this topic has failed." };
/** The source has ended. */
export const COMPLETE: End = { outcome: "complete" };
/** The hub was closed before the source had ended. */
export const LOST: End = {
  outcome: "failed",
  code: "ERR_PRODUCER_LOST",
  message: "The server that produced this topic has shut down.",
};

/** A topic that a source is published into. */
export interface SourceTopic {
  readonly name: string;
  /** Whether the end of the source ends the topic. */
  readonly isFinite: boolean;
  /** Whether readers wait for the topic to begin. */
  readonly isAwaited: boolean;
  /** The end of the topic, and the position after it, once it has ended and this process knows. */
  readonly ended: StreamOutcome | undefined;
  /** Whether the topic that `begin` kept alive was deleted or has expired. A later one of its name is another topic. */
  readonly isRemoved: boolean;
  /** Whether the name has another epoch than at `begin`, as far as this process knows: the topic was begun anew. */
  readonly isReplaced: boolean;
  /** The topic's position now; `undefined` if only the broker knows it. */
  readonly position: string | undefined;
  /**
   * Waits until this process knows what the broker does; `undefined` where there is no broker.
   *
   * @returns Rejects with the broker's error if it could not be read.
   */
  refresh(): Promise<void> | undefined;
  /**
   * Creates the topic, notes that it has begun, and keeps it alive until the returned function is called, once.
   *
   * @param onChange Called soon after the topic has new messages, has ended or was removed.
   * @throws {CometError} The codes of `Topics.toPublish`.
   */
  begin(onChange: () => void): () => void;
  /** Checks and encodes a message. @throws {CometError} `ERR_ENCODER`, `ERR_MESSAGE`. */
  encode(data: unknown): Publication;
  /**
   * Publishes a message.
   *
   * @returns The position after it; with a broker, once the broker holds it. Rejects with `ERR_ENDED`, with
   *   `ERR_PRODUCER_LOST`, and as `BrokerLink.publish` does.
   * @throws {CometError} `ERR_CLOSED`, and the codes of `Topics.toPublish`.
   */
  send(message: Publication): string | Promise<string>;
  /** Waits as `LiveTopic.paced` does. */
  paced(): Promise<void> | undefined;
  /**
   * Ends a finite topic.
   *
   * @returns The position after the end. Rejects, or throws, with `ERR_ENDED`, `ERR_PRODUCER_LOST` or `ERR_CLOSED`, and as
   *   `BrokerLink.publish` does.
   */
  end(end: End): Promise<string>;
}

/** A topic that a producer fills. */
export interface ProducedTopic extends SourceTopic {
  /** Whether it has begun, as far as this process knows: by a producer, a source or a message. */
  readonly hasBegun: boolean;
  /** The bounds that a broker trims it to. */
  readonly bounds: TopicBounds;
  /** Publishes under a lease from now on, and has other processes know that the topic has begun. */
  adopt(lease: Lease): void;
  /** Removes the topic, so that its name begins another epoch. */
  delete(): Promise<void>;
}

/** The topics of a hub, as its producers see them. */
export interface ProducedTopics {
  /** Returns the topic of a name. @throws {CometError} `ERR_TOPIC`, `ERR_TOPIC_UNKNOWN`. */
  find(name: string): ProducedTopic;
  /**
   * Returns the topic of a name, and declares it as finite where the hub's `topics` leaves that open.
   *
   * @throws {CometError} `ERR_TOPIC`, `ERR_TOPIC_UNKNOWN`; `ERR_OPTION` for an endless topic or a bad `ttlMs`.
   */
  declare(name: string, ttlMs: number | undefined): ProducedTopic;
}

/** The part of `Publisher` that a source's topic needs. `Publisher` documents it. */
export interface SourceSender {
  encode(data: unknown, options: PublishOptions): Publication;
  send(name: string, message: Publication, finite?: FiniteSettings, mark?: LeaseMark): string | Promise<string>;
  end(name: string, options: EndOptions, finite?: FiniteSettings, mark?: LeaseMark): Promise<string>;
  delete(name: string): Promise<void>;
}

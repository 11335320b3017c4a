import type { Publication } from "../../log/entry.ts";
import type { DurableStream } from "./durable-stream.ts";
import type { ForkConfig, StreamConfig } from "./stream-config.ts";
import type { ProducerTag } from "./producers.ts";

/** A stream to create, with what fills it. */
export interface NewStream {
  readonly name: string;
  readonly config: Omit<StreamConfig, "fork">;
  readonly messages: readonly Publication[];
  readonly isClosed: boolean;
  /** Set if it continues another stream: that one, and its last number that this one shares. */
  readonly fork?: NewFork | undefined;
}

export interface NewFork extends Pick<ForkConfig, "from" | "lineage"> {
  readonly source: DurableStream;
  /** The number before the first message of the source. */
  readonly begin: number;
}

/** The streams of a hub: those of this process, or with a broker those of all processes that share it. */
export interface StreamRegistry {
  /**
   * Finds a stream, up to date with the broker. One that has expired is deleted first.
   *
   * @returns Resolves to the stream, or to a deleted one that is remembered for its forks; `undefined` if there is none. Rejects with
   *   `ERR_BROKER`.
   */
  find(name: string): Promise<DurableStream | undefined>;

  /**
   * Creates a stream, unless there is one of its name.
   *
   * @returns Resolves to the one that there is then. Rejects with `ERR_LIMIT` if there are too many; `ERR_CONFLICT` if the topic of its
   *   name is one that does not end; and the codes of `Topics.toPublish` and of the broker.
   */
  create(init: NewStream): Promise<{ readonly stream: DurableStream; readonly isNew: boolean }>;

  /** Deletes a stream with all messages. Its name stays taken while there are forks of it. */
  remove(stream: DurableStream): Promise<void>;

  /** Notes a read or an append, from which `Stream-TTL` counts. */
  touch(stream: DurableStream): Promise<void>;

  /** Notes the append that is about to close a stream, so that it may be repeated. */
  closing(stream: DurableStream, by: ProducerTag): Promise<void>;
}

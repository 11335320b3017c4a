import { assertFunction, assertInteger } from "../../core/options.ts";
import type { Hub } from "../../hub/hub.ts";
import type { StreamOutcome } from "../../hub/published-streams.ts";
import { surfaceAccess } from "../../hub/surface-access.ts";
import { Enumeratee } from "../../stream/index.ts";
import { beginAnew, type ProductionOptions } from "./begin-anew.ts";
import { skipCharacters } from "./skip-characters.ts";

/** Options of {@link createResumableStreamContext}. */
export interface ResumableStreamContextOptions {
  /** The hub whose topics hold the streams. Its broker makes them resumable in other processes, and after a restart. */
  readonly hub: Hub;
  /**
   * Keeps the program alive until a promise settles, such as `after` of Next.js. `null` where the program runs on anyway.
   *
   * @default null
   */
  readonly waitUntil?: ((promise: Promise<unknown>) => void) | null;
  /** The beginning of the topics' names: a stream `7` is the topic `resumable-stream:7`. @default "resumable-stream" */
  readonly keyPrefix?: string;
  /**
   * The time in milliseconds, from 1 to 2,147,483,647, that a stream is known to be done. Only where the hub's `topics`
   * answers `true`.
   *
   * @default what the hub's `topics` says, or its `log.maxAgeMs`
   */
  readonly ttlMs?: number;
  /**
   * With a broker, the time in milliseconds, from 1000 to 3,600,000, after which a process that cannot renew its lease
   * has lost its streams: they fail for every reader.
   *
   * @default 10_000
   */
  readonly leaseMs?: number;
}

/** The functions of the package `resumable-stream`. Streams are of strings, and names are the application's. */
export interface ResumableStreamContext {
  /**
   * Creates the stream of this id, or resumes it if it runs.
   *
   * @param skipCharacters The number of UTF-16 code units to leave out of a stream that is resumed, from 0. @default 0
   * @returns The stream; `null` if it is done.
   */
  readonly resumableStream: (
    streamId: string,
    makeStream: () => ReadableStream<string>,
    skipCharacters?: number,
  ) => Promise<ReadableStream<string> | null>;
  /**
   * Resumes a stream that runs, from its beginning or after `skipCharacters`.
   *
   * @returns The stream; `null` if it is done, `undefined` if there is none.
   */
  readonly resumeExistingStream: (
    streamId: string,
    skipCharacters?: number,
  ) => Promise<ReadableStream<string> | null | undefined>;
  /** Creates a stream, and replaces the one of this id if there is one. */
  readonly createNewResumableStream: (
    streamId: string,
    makeStream: () => ReadableStream<string>,
    skipCharacters?: number,
  ) => Promise<ReadableStream<string> | null>;
  /** Resolves to `true` if the stream runs, to `"DONE"` if it is done, and to `null` if there is none. */
  readonly hasExistingStream: (streamId: string) => Promise<null | true | "DONE">;
}

/**
 * Creates the functions of the package `resumable-stream` over a hub, and so over any broker.
 *
 * A stream is a finite topic. The stream that a reader gets fails with a `CometError` (`ERR_FAILED`) if its source fails
 * or its process dies, where `resumable-stream` leaves the reader waiting. `hub.stop` of the topic stops it for all
 * readers. A reader that cancels stops no other reader.
 *
 * @throws {CometError} `ERR_OPTION`. The functions reject with `ERR_BROKER`, `ERR_CLOSED`, and with `ERR_TOPIC_UNKNOWN` if
 *   the hub's `topics` rejects the name.
 * @example
 * ```ts
 * const context = createResumableStreamContext({ hub, waitUntil: after });
 * const stream = await context.createNewResumableStream(id, () => sse);
 * ```
 */
export function createResumableStreamContext(options: ResumableStreamContextOptions): ResumableStreamContext {
  const { hub, waitUntil, keyPrefix = "resumable-stream", ttlMs, leaseMs } = options;
  const { produced } = surfaceAccess(hub);
  if (waitUntil !== undefined && waitUntil !== null) assertFunction("waitUntil", waitUntil);
  const times: ProductionOptions = { ttlMs, leaseMs };
  const topicOf = (streamId: string): string => `${keyPrefix}:${streamId}`;

  const stateOf = async (name: string): Promise<null | true | "DONE"> => {
    const topic = produced.find(name);
    await topic.refresh();
    if (topic.ended !== undefined) return "DONE";
    return topic.hasBegun ? true : null;
  };
  const read = (name: string, skip = 0): ReadableStream<string> => {
    const texts = hub
      .topic<string>(name)
      .messages({ from: "oldest" })
      .through(Enumeratee.map(({ data }) => data));
    // Opened at once, as the stream may be replaced before it is read.
    return skipCharacters(texts, skip).toReadableStream({ highWaterMark: 1 });
  };
  const keepAlive = (outcome: Promise<StreamOutcome>): void => waitUntil?.(outcome);
  const checkSkip = (skip: number | undefined): number =>
    assertInteger("skipCharacters", skip ?? 0, 0, Number.MAX_SAFE_INTEGER);

  return {
    resumableStream: async (streamId, makeStream, skip) => {
      const name = topicOf(streamId);
      const isRunning = await stateOf(name);
      if (isRunning === "DONE") return null;
      const skipped = isRunning === true ? checkSkip(skip) : 0;
      keepAlive(
        hub.produce<string>(name, makeStream, {
          ...(ttlMs === undefined ? {} : { ttlMs }),
          ...(leaseMs === undefined ? {} : { leaseMs }),
        }),
      );
      return read(name, skipped);
    },
    resumeExistingStream: async (streamId, skip) => {
      const name = topicOf(streamId);
      const skipped = checkSkip(skip);
      const state = await stateOf(name);
      if (state === null) return undefined;
      return state === "DONE" ? null : read(name, skipped);
    },
    createNewResumableStream: async (streamId, makeStream) => {
      const name = topicOf(streamId);
      const { outcome } = await beginAnew(hub, name, makeStream, times);
      keepAlive(outcome);
      return read(name);
    },
    hasExistingStream: (streamId) => stateOf(topicOf(streamId)),
  };
}

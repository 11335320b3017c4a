import { CometError } from "../../core/errors.ts";
import type { SurfaceAccess } from "../../hub/surface-access.ts";
import { DurableStream } from "./durable-stream.ts";
import { finiteSettings, openStream } from "./finite-settings.ts";
import type { NewStream, StreamRegistry } from "./registry.ts";
import type { ProducerTag } from "./producers.ts";

/**
 * The streams of a hub without a broker: all that were created in this process, until they are deleted or expire.
 *
 * The number of streams is bounded, since strangers may create them. A stream that is deleted stays as a name while there are forks of
 * it.
 */
export class MemoryRegistry implements StreamRegistry {
  readonly #access: SurfaceAccess;
  readonly #maxStreams: number;
  readonly #retentionMs: number;
  readonly #streams = new Map<string, DurableStream>();
  /** The stream that each fork was made from. */
  readonly #sources = new Map<DurableStream, DurableStream>();

  constructor(access: SurfaceAccess, maxStreams: number, retentionMs: number) {
    this.#access = access;
    this.#maxStreams = maxStreams;
    this.#retentionMs = retentionMs;
    access.sweeper.add(() => this.#sweep());
  }

  async find(name: string): Promise<DurableStream | undefined> {
    const stream = this.#streams.get(name);
    if (stream !== undefined && isOver(stream, Date.now())) await this.remove(stream);
    return this.#streams.get(name);
  }

  async create(init: NewStream): Promise<{ readonly stream: DurableStream; readonly isNew: boolean }> {
    const { name, messages, isClosed } = init;
    const known = this.#streams.get(name);
    if (known !== undefined) return { stream: known, isNew: false };
    const stream = this.#add(init);
    try {
      await stream.inTurn(async () => {
        await stream.publish(messages, { producer: undefined, seq: undefined });
        if (isClosed) await stream.close();
      });
    } catch (error) {
      await this.remove(stream);
      throw error;
    }
    return { stream, isNew: true };
  }

  async remove(stream: DurableStream): Promise<void> {
    if (stream.forks > 0) stream.isDeleted = true;
    else this.#forget(stream);
    await stream.deleteTopic();
  }

  touch(stream: DurableStream): Promise<void> {
    stream.touchedAt = Date.now();
    return Promise.resolve();
  }

  closing(stream: DurableStream, by: ProducerTag): Promise<void> {
    stream.closedBy = by;
    return Promise.resolve();
  }

  #add({ name, config, fork }: NewStream): DurableStream {
    if (this.#streams.size >= this.#maxStreams) {
      throw new CometError("ERR_LIMIT", `The server has ${this.#maxStreams} streams, which is its limit.`);
    }
    // Its topic is new, so its first message has the number 1.
    const forked = fork && { from: fork.from, source: fork.source.name, lineage: fork.lineage, shift: fork.begin };
    const finite = finiteSettings(this.#access, name, this.#retentionMs);
    const stream = openStream(() => new DurableStream(this.#access, name, { ...config, fork: forked }, finite));
    this.#streams.set(name, stream);
    if (fork !== undefined) {
      fork.source.forks += 1;
      this.#sources.set(stream, fork.source);
    }
    this.#access.sweeper.start();
    return stream;
  }

  /** Forgets a stream, and the deleted streams that were remembered for it alone. */
  #forget(stream: DurableStream): void {
    if (this.#streams.get(stream.name) === stream) this.#streams.delete(stream.name);
    const source = this.#sources.get(stream);
    this.#sources.delete(stream);
    if (source === undefined) return;
    source.forks -= 1;
    if (source.isDeleted && source.forks === 0) this.#forget(source);
  }

  /** Removes the streams that have expired, and wakes the requests that may have waited long enough. */
  #sweep(): boolean {
    const time = Date.now();
    for (const stream of this.#streams.values()) {
      stream.sweep();
      if (isOver(stream, time)) this.remove(stream).catch((error: unknown) => this.#access.settings.onError(error));
    }
    return this.#streams.size > 0;
  }
}

/** Whether a stream has expired at a time in milliseconds since 1970, or its topic is gone. */
function isOver(stream: DurableStream, time: number): boolean {
  return !stream.isDeleted && (stream.topic.isForgotten || stream.isExpired(time));
}

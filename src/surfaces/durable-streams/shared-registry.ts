import { CometError } from "../../core/errors.ts";
import type { SurfaceAccess } from "../../hub/surface-access.ts";
import type { Publication } from "../../log/entry.ts";
import { CONTROL_PREFIX, stateOf, type ControlEntry, type KnownState } from "./control-topic.ts";
import { DurableStream } from "./durable-stream.ts";
import { finiteSettings, openStream } from "./finite-settings.ts";
import type { ProducerTag } from "./producers.ts";
import type { NewFork, NewStream, StreamRegistry } from "./registry.ts";
import type { StreamConfig } from "./stream-config.ts";

/** The part of a stream's lifetime after which its control topic notes that it was used. */
const TOUCHES = 8;
/** The time in milliseconds for which a stream is held in this process after its last request. */
const HELD_MS = 30_000;

/** A stream that this process holds. */
interface HeldStream {
  readonly stream: DurableStream;
  known: KnownState;
  usedAt: number;
  /** Whether it is being checked for its expiry. */
  isChecked: boolean;
}

/**
 * The streams of a hub with a broker: those of all processes that share it.
 *
 * A stream exists if its control topic says so. Creating one is the publication of the control topic's first entry, whose id the broker
 * takes once: so of several processes one creates it. Each request reads both topics from the broker, and thus sees what any process has
 * done before it.
 */
export class SharedRegistry implements StreamRegistry {
  readonly #access: SurfaceAccess;
  readonly #maxStreams: number;
  readonly #retentionMs: number;
  readonly #held = new Map<string, HeldStream>();
  /** The removals under way, by name. A second one would remove the stream that is created after the first. */
  readonly #removals = new Map<string, Promise<void>>();

  /** @param maxStreams The most streams that this process holds. */
  constructor(access: SurfaceAccess, maxStreams: number, retentionMs: number) {
    this.#access = access;
    this.#maxStreams = maxStreams;
    this.#retentionMs = retentionMs;
    access.sweeper.add(() => this.#sweep());
  }

  async find(name: string): Promise<DurableStream | undefined> {
    await this.#removals.get(name);
    const known = await this.#stateOf(name);
    if (known === undefined) {
      this.#letGo(name);
      return undefined;
    }
    const held = this.#hold(name, known);
    const { stream } = held;
    if (known.state.isDeleted) return stream;
    await stream.refresh();
    if (stream.topic.isForgotten) {
      // The broker has another topic of this name by now.
      this.#letGo(name);
      return this.find(name);
    }
    if (!stream.isExpired(Date.now())) return stream;
    await this.remove(stream);
    return this.find(name);
  }

  async create(init: NewStream): Promise<{ readonly stream: DurableStream; readonly isNew: boolean }> {
    const { name, fork } = init;
    await this.#publishContent(init);
    const config: StreamConfig = { ...init.config, fork: fork && (await this.#forkConfig(name, fork)) };
    if (fork !== undefined) await this.#note(fork.source.name, { type: "forked", id: config.id });
    const state: ControlEntry = { type: "state", through: 0, config, forks: [], isDeleted: false };
    await this.#note(name, state, "created");
    const stream = await this.find(name);
    const isNew = stream?.config.id === config.id;
    if (!isNew && fork !== undefined) await this.#note(fork.source.name, { type: "fork removed", id: config.id });
    if (stream === undefined) throw new CometError("ERR_CONFLICT", "The stream was deleted while it was created.");
    return { stream, isNew };
  }

  remove(stream: DurableStream): Promise<void> {
    const { name } = stream;
    const removal = this.#removals.get(name) ?? this.#remove(stream).finally(() => this.#removals.delete(name));
    this.#removals.set(name, removal);
    return removal;
  }

  async #remove(stream: DurableStream): Promise<void> {
    const { name, config } = stream;
    const known = await this.#stateOf(name);
    if (known?.state.config.id !== config.id) return;
    await stream.deleteTopic();
    if (known.state.forks.length > 0) await this.#note(name, { type: "deleted" });
    else await this.#forget(name, config);
    this.#letGo(name);
  }

  async touch(stream: DurableStream): Promise<void> {
    stream.touchedAt = Date.now();
    const held = this.#held.get(stream.name);
    if (held?.stream !== stream) return;
    if (stream.touchedAt - held.known.at < this.#touchMs(stream.config)) return;
    held.known = { ...held.known, at: stream.touchedAt };
    await this.#note(stream.name, { type: "state", through: held.known.through, ...held.known.state });
  }

  async closing(stream: DurableStream, by: ProducerTag): Promise<void> {
    await this.#note(stream.name, { type: "closing", by });
    stream.closedBy = by;
  }

  /** Returns the time in milliseconds that a stream is used before its control topic notes it again. */
  #touchMs({ ttlSeconds = Infinity }: StreamConfig): number {
    return Math.min(ttlSeconds * 1000, this.#retentionMs) / TOUCHES;
  }

  /** Publishes what a stream begins with. A creation that is sent again publishes it once. */
  async #publishContent({ name, messages, isClosed }: NewStream): Promise<void> {
    const finite = finiteSettings(this.#access, name, this.#retentionMs);
    const { publisher } = this.#access;
    const send = async (message: Publication, i: number): Promise<unknown> =>
      openStream(() => publisher.send(name, { ...message, messageId: `ds created ${i}` }, finite));
    await Promise.all(messages.map(send));
    if (!isClosed) return;
    try {
      await publisher.end(name, {}, finite);
    } catch (error) {
      if (!(error instanceof CometError && error.code === "ERR_ENDED")) throw error;
    }
  }

  /** Returns how the numbers of a fork continue those of its source. Its first messages are published. */
  async #forkConfig(name: string, { from, source, lineage, begin }: NewFork): Promise<StreamConfig["fork"]> {
    const { topic, release } = await this.#access.topics.current(name);
    const { begunAfter } = topic.log;
    release();
    return { from, source: source.name, lineage, shift: begin - begunAfter };
  }

  /** Reads the state of a stream from the broker. */
  async #stateOf(name: string): Promise<KnownState | undefined> {
    const { topic, release } = await namingControl(async () => this.#access.topics.current(CONTROL_PREFIX + name));
    const known = stateOf(topic.log);
    release();
    return known;
  }

  /** Publishes an entry of a control topic. @param id An id that the broker takes once. */
  async #note(name: string, entry: ControlEntry, id?: string): Promise<void> {
    const { publisher } = this.#access;
    const finite = await namingControl(() => finiteSettings(this.#access, CONTROL_PREFIX + name, this.#retentionMs));
    await publisher.send(
      CONTROL_PREFIX + name,
      publisher.encode(entry, id === undefined ? {} : { messageId: id }),
      finite,
    );
  }

  /** Returns the stream that this process holds, with what is known of it now. */
  #hold(name: string, known: KnownState): HeldStream {
    let held = this.#held.get(name);
    if (held?.stream.config.id !== known.state.config.id || held.stream.topic.isForgotten) {
      this.#letGo(name);
      if (this.#held.size >= this.#maxStreams) this.#letGo(this.#held.keys().next().value as string);
      const finite = finiteSettings(this.#access, name, this.#retentionMs);
      const stream = openStream(() => new DurableStream(this.#access, name, known.state.config, finite));
      stream.touchedAt = -Infinity;
      held = { stream, known, usedAt: 0, isChecked: false };
    }
    // The map is in the order of use.
    this.#held.delete(name);
    this.#held.set(name, held);
    held.usedAt = Date.now();
    held.known = known;
    const { stream } = held;
    stream.forks = known.state.forks.length;
    stream.isDeleted = known.state.isDeleted;
    stream.closedBy = known.state.closedBy;
    // Another process may have used it since, and not noted it yet.
    stream.touchedAt = Math.max(stream.touchedAt, known.at + this.#touchMs(known.state.config));
    this.#access.sweeper.start();
    return held;
  }

  #letGo(name: string): void {
    this.#held.get(name)?.stream.release();
    this.#held.delete(name);
  }

  /** Deletes the control topic of a stream, and notes in that of its source that this fork is gone. */
  async #forget(name: string, { id, fork }: StreamConfig): Promise<void> {
    await this.#access.publisher.delete(CONTROL_PREFIX + name);
    if (fork === undefined) return;
    await this.#note(fork.source, { type: "fork removed", id });
    const source = await this.#stateOf(fork.source);
    if (source?.state.isDeleted !== true || source.state.forks.length > 0) return;
    await this.#forget(fork.source, source.state.config);
  }

  /** Removes the held streams that have expired, and lets those go that nothing uses. */
  #sweep(): boolean {
    const time = Date.now();
    for (const [name, held] of this.#held) {
      const { stream, usedAt } = held;
      stream.sweep();
      if (!stream.isDeleted && stream.isExpired(time)) void this.#check(name, held);
      else if (!stream.isAwaited && time - usedAt > HELD_MS) this.#letGo(name);
    }
    return this.#held.size > 0;
  }

  /** Removes a stream that has expired, unless another process has used it. */
  async #check(name: string, held: HeldStream): Promise<void> {
    if (held.isChecked) return;
    held.isChecked = true;
    try {
      await this.find(name);
    } catch (error) {
      this.#access.settings.onError(error);
    }
    held.isChecked = false;
  }
}

/** Runs a step that names a control topic. @returns Rejects with `ERR_OPTION` if the application does not let it be a topic that ends. */
async function namingControl<T>(step: () => T | PromiseLike<T>): Promise<T> {
  try {
    return await step();
  } catch (cause) {
    if (!(cause instanceof CometError && ["ERR_TOPIC_UNKNOWN", "ERR_CONFLICT"].includes(cause.code))) throw cause;
    const why = `With a broker the hub's option topics must return true for names that begin with ${CONTROL_PREFIX}.`;
    throw new CometError("ERR_OPTION", why, { cause });
  }
}

import { CometError } from "../../core/errors.ts";
import type { Position } from "../../log/position.ts";
import { isStreamGone, requestApi, streamInfo, type StreamInfo } from "./jetstream-api.ts";
import type { NatsSettings } from "./nats-broker-options.ts";
import type { NatsLink } from "./nats-link.ts";

/** Time within which the new leader of a stream has caught up with its predecessor, in milliseconds. */
const CATCH_UP_MS = 500;

/** One epoch of all topics. */
export interface Epoch {
  readonly name: string;
  /** The offset of the last message of earlier epochs. */
  readonly base: number;
}

/**
 * The epoch of the stream, which all topics share, as this process knows it. It is asked for on each connect, with each read, at each
 * heartbeat, and whenever another hub announces an epoch.
 *
 * The stream's description has a mark of the epoch, and its name includes the time at which the stream was created. So a stream that is
 * removed, or begins again by `renew`, has another epoch in every process. A stream that has lost messages that this process knows of is
 * renewed here. Other processes parse the mark: its text must not change.
 */
export class StreamEpoch {
  readonly #settings: NatsSettings;
  readonly #announcements: string;
  readonly #openLink: () => NatsLink;
  readonly #onChange: () => void;
  #current: Epoch = { name: "", base: 0 };
  #previousName = "";
  /** The greatest offset that is known in this epoch. */
  #highest = 0;
  /** The last offset that was acknowledged to this process. */
  #acknowledged = 0;
  #isReplicated = false;
  #request: Promise<StreamInfo> | undefined;
  #nextRequest: Promise<StreamInfo> | undefined;

  /**
   * @param announcements The subject of announcements.
   * @param openLink Returns the open link, or throws if there is none.
   * @param onChange Called when there is another epoch than before, with the new one as `current`.
   */
  constructor(settings: NatsSettings, announcements: string, openLink: () => NatsLink, onChange: () => void) {
    this.#settings = settings;
    this.#announcements = announcements;
    this.#openLink = openLink;
    this.#onChange = onChange;
  }

  /** The epoch, as far as known. Its name is empty until {@link enter}. */
  get current(): Epoch {
    return this.#current;
  }

  /** Whether several servers hold the stream. */
  get isReplicated(): boolean {
    return this.#isReplicated;
  }

  /** The position of a stored message. */
  positionOf(offset: number): Position {
    const { name, base } = this.#current;
    return { epoch: offset > base ? name : this.#previousName, offset };
  }

  /** Notes that JetStream has acknowledged a message, and returns its position. Called in the order of the acknowledgements. */
  async acknowledge(offset: number): Promise<Position> {
    // In one stream offsets only grow.
    const isOtherStream = offset <= this.#acknowledged;
    this.#acknowledged = offset;
    if (isOtherStream) await this.info().catch(() => undefined);
    this.observe(offset);
    return this.positionOf(offset);
  }

  /** Notes that a message with this offset has been seen. */
  observe(offset: number): void {
    this.#highest = Math.max(this.#highest, offset);
  }

  /** Asks for the epoch without waiting. A failure is ignored: it breaks the link, or the next heartbeat asks again. */
  refresh(): void {
    this.info().catch(() => undefined);
  }

  /**
   * Returns the stream as it is after this call, and adopts its epoch. One request at a time is pending, and serves all calls that were
   * made before it was sent.
   *
   * @throws {CometError} The error of `openLink`; `ERR_BROKER`.
   */
  info(): Promise<StreamInfo> {
    if (this.#request === undefined) return (this.#request = this.#ask().finally(() => (this.#request = undefined)));
    return (this.#nextRequest ??= this.#request
      .catch(() => undefined)
      .then(() => {
        this.#nextRequest = undefined;
        return this.info();
      }));
  }

  async #ask(): Promise<StreamInfo> {
    const link = this.#openLink();
    try {
      const info = await this.latest(link);
      if (link.isOpen) this.#adopt(info);
      return info;
    } catch (error) {
      if (isStreamGone(error)) link.break("the stream is gone");
      throw error;
    }
  }

  /**
   * Returns the stream, for a link that may not be in use yet. Begins another epoch if the stream lacks messages that this process knows
   * of, as after the crash of a server that had not written its newest messages to disk, or messages before its epoch, as after a change
   * of its description by hand. Does not adopt the epoch.
   */
  async latest(link: NatsLink): Promise<StreamInfo> {
    const highest = this.#highest;
    const isBehind = (info: StreamInfo): boolean =>
      (epochOf(info).name === this.#current.name && info.state.last_seq < highest) ||
      markOf(info).base > info.state.last_seq;
    const info = await streamInfo(link, this.#settings);
    if (!isBehind(info)) return info;
    // The new leader of a cluster may be about to catch up.
    await new Promise((resolve) => setTimeout(resolve, CATCH_UP_MS));
    const later = await streamInfo(link, this.#settings);
    return isBehind(later) ? await this.#begin(link, later) : later;
  }

  /** Begins another epoch if the current one has this name. */
  async renew(name: string): Promise<void> {
    const link = this.#openLink();
    const info = await this.info();
    if (epochOf(info).name !== name) return;
    const renewed = await this.#begin(link, info);
    if (link.isOpen) this.#adopt(renewed);
  }

  /** Adopts the epoch that a new link has found, and announces it to other hubs if it is new to this process. */
  enter(link: NatsLink, info: StreamInfo): void {
    if (epochOf(info).name !== this.#current.name) this.#announce(link);
    this.#adopt(info);
  }

  /** Continues with the epoch of the stream. */
  #adopt(info: StreamInfo): void {
    const epoch = epochOf(info);
    this.#isReplicated = (info.config.num_replicas ?? 1) > 1;
    if (epoch.name === this.#current.name) {
      this.observe(info.state.last_seq);
      return;
    }
    const isFirst = this.#current.name === "";
    this.#previousName = isFirst ? epoch.name : this.#current.name;
    this.#current = epoch;
    this.#highest = info.state.last_seq;
    this.#acknowledged = 0;
    if (!isFirst) this.#onChange();
  }

  async #begin(link: NatsLink, before: StreamInfo): Promise<StreamInfo> {
    const info = await beginEpoch(link, this.#settings, before);
    this.#announce(link);
    return info;
  }

  #announce(link: NatsLink): void {
    link.send(this.#announcements, "");
  }
}

/**
 * The mark of an epoch: the number of epochs so far, the offset of the last message before it, and the entries of a topic that the stream
 * could hold when it began. It is in the stream's description, since streams have no metadata before nats-server 2.10.
 */
export interface EpochMark {
  readonly generation: number;
  readonly base: number;
  readonly entries: number;
}

/** A generation has at most nine digits in the description. */
const MAX_GENERATION = 1_000_000_000;
const markPattern = /^comet-sockets: epoch (\d{1,9}) after message (\d{1,16}), (\d{1,9}) entries a topic$/;

/** The description of a stream with this mark. */
export function describeMark({ generation, base, entries }: EpochMark): string {
  return `comet-sockets: epoch ${generation} after message ${base}, ${entries} entries a topic`;
}

/** The mark in the description of a stream: all 0 if there is none. */
export function markOf({ config }: StreamInfo): EpochMark {
  const match = markPattern.exec(config.description ?? "");
  const [generation = 0, base = 0, entries = 0] = match?.slice(1).map(Number) ?? [];
  return { generation, base, entries };
}

/** The epoch of a stream. Its name is made of the time when the stream was created, the number of epochs, and the base. */
export function epochOf(info: StreamInfo): Epoch {
  const [, seconds = "", fraction = ""] = /^(.{19})(?:\.(\d+))?/.exec(info.created) ?? [];
  const ms = Date.parse(`${seconds}Z`);
  if (Number.isNaN(ms)) throw new CometError("ERR_BROKER", "JetStream's answer has no time of the stream's creation.");
  const nanos = BigInt(ms) * 1_000_000n + BigInt(fraction.padEnd(9, "0").slice(0, 9));
  const { generation, base } = markOf(info);
  return { name: `${nanos.toString(36)}g${generation.toString(36)}n${base.toString(36)}`, base };
}

/** Begins the epoch after that of `info`. Processes that do so at the same time begin the same one, unless there are new messages. */
export function beginEpoch(link: NatsLink, settings: NatsSettings, info: StreamInfo): Promise<StreamInfo> {
  const { api, stream, maxEntries } = settings;
  const generation = (markOf(info).generation + 1) % MAX_GENERATION;
  const mark = { generation, base: info.state.last_seq, entries: maxEntries };
  const config = { ...info.config, description: describeMark(mark) };
  return requestApi<StreamInfo>(link, `${api}.STREAM.UPDATE.${stream}`, config, `update the stream ${stream}`);
}

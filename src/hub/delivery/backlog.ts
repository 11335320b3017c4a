import { joinBytes } from "../../core/bytes.ts";
import { utf8 } from "../../core/utf8.ts";
import type { Log } from "../../log/log.ts";
import type { OlderMessages, OlderPage } from "../../log/older.ts";
import { offsetOf } from "../../log/position.ts";
import type { HubCounters } from "../hub-stats.ts";
import type { OverflowPolicy } from "../request-options.ts";
import { readNewest, readOlder, type BatchSource, type NewestBatch } from "./batch.ts";
import type { Cursors } from "./cursors.ts";
import type { ResumePoint } from "./resume-point.ts";

/**
 * Writes what one connection lacks, piece by piece, and applies the policies of topics whose logs have passed it.
 *
 * It moves the connection's cursors, and counts what is delivered and skipped. PROTOCOL.md, section 4, fixes the gaps.
 */
export class Backlog {
  readonly #source: BatchSource;
  readonly #policies: readonly OverflowPolicy[];
  readonly #counters: HubCounters;
  /**
   * The number of missed messages in each topic of policy `latest` that the opening gap reported before they were
   * passed over.
   */
  readonly #reportedAtOpen: number[] | undefined;
  /** Whether the connection is behind the log of each topic, and is served pages of older messages. */
  readonly #isBehind: boolean[];
  /** The offset in a log after which it needs a page, and the page, once that is read. */
  #wanted: { readonly older: OlderMessages; readonly after: number } | undefined;
  #page: OlderPage | undefined;
  /** The topics that were removed: nothing more is sent of them. */
  #forgotten: readonly Log[] = [];

  /**
   * @param policies The policy of each topic.
   * @param resumePoints The start of each topic, if the connection has had nothing yet.
   */
  constructor(
    source: BatchSource,
    policies: readonly OverflowPolicy[],
    resumePoints: readonly ResumePoint[],
    counters: HubCounters,
  ) {
    this.#source = source;
    this.#policies = policies;
    this.#counters = counters;
    this.#isBehind = resumePoints.map(({ isBehind }) => isBehind === true);
    const reported = resumePoints.map(({ missed }, i) =>
      policies[i] === "latest" && this.#isBehind[i] === false ? (missed ?? 0) : 0,
    );
    this.#reportedAtOpen = reported.some((missed) => missed > 0) ? reported : undefined;
  }

  /** Whether it knows nothing that a new one would not know, once there is nothing to send. */
  get isReplaceable(): boolean {
    return this.#reportedAtOpen === undefined && this.#forgotten.length === 0;
  }

  get forgotten(): readonly Log[] {
    return this.#forgotten;
  }

  /** Notes a topic that was removed. Its log has dropped what the client lacks, which is no gap. */
  forget(log: Log): void {
    this.#forgotten = [...this.#forgotten, log];
  }

  /**
   * Returns the next piece of what follows the cursors up to `limits`, and moves the cursors past it.
   *
   * @returns The bytes, which may be empty; "overflow" if the policy of a topic ends the stream; "older" if the next piece
   *   must be read first by {@link load}; `undefined` if there is nothing to send.
   */
  next(cursors: Cursors, limits: readonly number[]): Uint8Array | "overflow" | "older" | undefined {
    for (let i = 0; i < this.#source.logs.length; i += 1) {
      const piece = this.#applyPolicy(cursors, i, limits[i] as number);
      if (piece !== undefined) return piece;
    }
    const batch = this.#source.read(cursors, limits);
    this.#counters.delivered += batch?.messages ?? 0;
    return batch?.bytes;
  }

  /**
   * Reads the page of older messages that `next` needs.
   *
   * @returns Rejects with the broker's error if it could not be read.
   */
  async load(): Promise<void> {
    const { older, after } = this.#wanted as { readonly older: OlderMessages; readonly after: number };
    this.#page = await older.load(after);
  }

  /**
   * Applies a topic's policy if its log has passed the cursor, or if its backlog is to be conflated. Passes holes over
   * with a gap.
   */
  #applyPolicy(cursors: Cursors, i: number, limit: number): Uint8Array | "overflow" | "older" | undefined {
    const log = this.#source.logs[i] as Log;
    if ((cursors.indexes[i] as number) < log.floor && this.#forgotten.includes(log)) {
      cursors.move(i, log.floor);
      return undefined;
    }
    const older = this.#isBehind[i] === true ? this.#older(cursors, i) : undefined;
    if (older !== undefined) return older;
    const cursor = cursors.indexes[i] as number;
    const isPassed = cursor < log.floor;
    if (cursor < log.holeEnd) {
      // No process has these messages any more, so reconnecting would gain nothing: the stream goes on after a gap.
      cursors.move(i, log.holeEnd);
      return this.#gap(i, log.missed(cursor, log.holeEnd), cursors);
    }
    const end = Math.max(limit, log.floor);
    if (this.#policies[i] === "latest") return cursor < end ? this.#newest(cursors, i, end) : undefined;
    if (!isPassed) return undefined;
    if (this.#policies[i] === "resume") {
      if (!isOlder(log, cursors.positions[i] as string)) return "overflow";
      this.#isBehind[i] = true;
      return this.#older(cursors, i);
    }
    // The end of a topic is never skipped.
    const newest = Math.max(Math.min(end, log.lastMessage), log.floor);
    cursors.move(i, newest);
    return this.#gap(i, newest - cursor, cursors);
  }

  /** Returns messages of a topic that its log no longer holds, until the cursor has reached the log. */
  #older(cursors: Cursors, i: number): Uint8Array | "overflow" | "older" | undefined {
    const log = this.#source.logs[i] as Log;
    for (;;) {
      const position = cursors.positions[i] as string;
      const offset = offsetOf(position);
      if (!isOlder(log, position)) {
        this.#isBehind[i] = false;
        if (position === log.positionAt(offset)) cursors.move(i, log.placeOf(offset));
        return undefined;
      }
      const page = this.#page?.covers(offset) === true ? this.#page : log.older.page(offset);
      this.#page = undefined;
      if (page === undefined) {
        this.#wanted = { older: log.older, after: offset };
        return "older";
      }
      if (page.floor > offset) {
        cursors.move(i, log.placeOf(page.floor), log.positionAt(page.floor));
        return this.#gap(i, log.isDense ? page.floor - offset : null, cursors);
      }
      const before = cursors.copy();
      const backlog = { log, page, isNewestOnly: this.#policies[i] === "latest" };
      const batch = readOlder(this.#source.format, backlog, cursors, i);
      this.#counters.delivered += batch.messages;
      if (batch.missed > 0) return this.#shared(batch, this.#gap(i, batch.missed, before));
      if (batch.messages > 0) return this.#shared(batch);
    }
  }

  /** Returns the newest messages of a topic of policy `latest`, after a gap that counts the others. */
  #newest(cursors: Cursors, i: number, limit: number): Uint8Array | "overflow" {
    const before = cursors.copy();
    const batch = readNewest(this.#source.format, this.#source.logs, cursors, i, limit);
    const unreported = batch.missed - this.#deductReported(i, batch.missed);
    this.#counters.delivered += batch.messages;
    return this.#shared(batch, unreported > 0 ? this.#gap(i, unreported, before) : undefined);
  }

  /** Returns a batch after the gap before it, as bytes of which other connections may be sent the batch. */
  #shared({ bytes, key }: NewestBatch, gap: Uint8Array | "overflow" = new Uint8Array()): Uint8Array | "overflow" {
    if (gap === "overflow") return gap;
    const all = gap.length === 0 ? bytes : joinBytes([gap, bytes]);
    this.#source.share?.(all, key, gap.length);
    return all;
  }

  /** Returns how many of `missed` messages the opening gap has reported already, and deducts them. */
  #deductReported(i: number, missed: number): number {
    if (this.#reportedAtOpen === undefined) return 0;
    const before = this.#reportedAtOpen[i] as number;
    const reported = Math.min(missed, before);
    this.#reportedAtOpen[i] = before - reported;
    return reported;
  }

  /** Returns the bytes of a gap, and counts it; "overflow" if the format has no gaps, so that the stream ends. */
  #gap(i: number, missed: number | null, cursors: Cursors): Uint8Array | "overflow" {
    const { format, logs } = this.#source;
    if (format.endsAtGap === true) return "overflow";
    const item = { topic: (logs[i] as Log).topic, missed, position: cursors.positions[i] as string };
    this.#counters.skipped += missed ?? 0;
    return utf8(format.control("gap", item, cursors.position));
  }
}

/** Whether a position is before the messages of a log, where its broker may hold what follows. */
function isOlder(log: Log, position: string): log is Log & { readonly older: OlderMessages } {
  const offset = offsetOf(position);
  return log.older !== undefined && offset < log.floorOffset && position === log.positionAt(offset);
}

import { joinBytes } from "../../core/bytes.ts";
import { utf8 } from "../../core/utf8.ts";
import type { Log } from "../../log/log.ts";
import type { Format } from "../../wire/format.ts";
import type { HubCounters } from "../hub-stats.ts";
import type { OverflowPolicy } from "../request-options.ts";
import { readBatch, readNewest } from "./batch.ts";
import type { Cursors } from "./cursors.ts";
import type { ResumePoint } from "./resume-point.ts";

/** The logs of a group, and the format in which its connections are sent them. */
export interface BacklogSource {
  readonly format: Format;
  readonly logs: readonly Log[];
}

/**
 * Writes what one connection lacks, piece by piece, and applies the policies of topics whose logs have passed it.
 *
 * It moves the connection's cursors, and counts what is delivered and skipped. PROTOCOL.md, section 4, fixes the gaps.
 */
export class Backlog {
  readonly #source: BacklogSource;
  readonly #policies: readonly OverflowPolicy[];
  readonly #counters: HubCounters;
  /**
   * The number of missed messages in each topic of policy `latest` that the opening gap reported before they were
   * passed over.
   */
  readonly #reportedAtOpen: number[] | undefined;
  /** The topics that were removed: nothing more is sent of them. */
  #forgotten: readonly Log[] = [];

  /** @param policies The policy of each topic. */
  constructor(
    source: BacklogSource,
    policies: readonly OverflowPolicy[],
    resumePoints: readonly ResumePoint[],
    counters: HubCounters,
  ) {
    this.#source = source;
    this.#policies = policies;
    this.#counters = counters;
    const reported = resumePoints.map(({ missed }, i) => (policies[i] === "latest" ? (missed ?? 0) : 0));
    this.#reportedAtOpen = reported.some((missed) => missed > 0) ? reported : undefined;
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
   * @returns The bytes, which may be empty; "overflow" if the policy of a topic ends the stream; `undefined` if there is
   *   nothing to send.
   */
  next(cursors: Cursors, limits: readonly number[]): Uint8Array | "overflow" | undefined {
    for (let i = 0; i < this.#source.logs.length; i += 1) {
      const piece = this.#applyPolicy(cursors, i, limits[i] as number);
      if (piece !== undefined) return piece;
    }
    const batch = readBatch(this.#source.format, this.#source.logs, cursors, limits);
    this.#counters.delivered += batch?.messages ?? 0;
    return batch?.bytes;
  }

  /**
   * Applies a topic's policy if its log has passed the cursor, or if its backlog is to be conflated. Passes holes over
   * with a gap.
   */
  #applyPolicy(cursors: Cursors, i: number, limit: number): Uint8Array | "overflow" | undefined {
    const log = this.#source.logs[i] as Log;
    const cursor = cursors.indexes[i] as number;
    const isPassed = cursor < log.floor;
    if (isPassed && this.#forgotten.includes(log)) {
      cursors.move(i, log.floor);
      return undefined;
    }
    if (cursor < log.holeEnd) {
      // No process has these messages any more, so reconnecting would gain nothing: the stream goes on after a gap.
      cursors.move(i, log.holeEnd);
      return this.#gap(i, log.missed(cursor, log.holeEnd), cursors);
    }
    const end = Math.max(limit, log.floor);
    if (this.#policies[i] === "latest") return cursor < end ? this.#newest(cursors, i, end) : undefined;
    if (!isPassed) return undefined;
    if (this.#policies[i] === "resume") return "overflow";
    // The end of a topic is never skipped.
    const newest = Math.max(Math.min(end, log.lastMessage), log.floor);
    cursors.move(i, newest);
    return this.#gap(i, newest - cursor, cursors);
  }

  /** Returns the newest messages of a topic of policy `latest`, after a gap that counts the others. */
  #newest(cursors: Cursors, i: number, limit: number): Uint8Array {
    const before = cursors.copy();
    const { bytes, messages, missed } = readNewest(this.#source.format, this.#source.logs, cursors, i, limit);
    const unreported = missed - this.#deductReported(i, missed);
    this.#counters.delivered += messages;
    return unreported > 0 ? joinBytes([this.#gap(i, unreported, before), bytes]) : bytes;
  }

  /** Returns how many of `missed` messages the opening gap has reported already, and deducts them. */
  #deductReported(i: number, missed: number): number {
    if (this.#reportedAtOpen === undefined) return 0;
    const before = this.#reportedAtOpen[i] as number;
    const reported = Math.min(missed, before);
    this.#reportedAtOpen[i] = before - reported;
    return reported;
  }

  /** Returns the bytes of a gap, and counts it. */
  #gap(i: number, missed: number | null, cursors: Cursors): Uint8Array {
    const { format, logs } = this.#source;
    const item = { topic: (logs[i] as Log).topic, missed, position: cursors.positions[i] as string };
    this.#counters.skipped += missed ?? 0;
    return utf8(format.control("gap", item, cursors.position));
  }
}

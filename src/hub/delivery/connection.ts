import { joinBytes } from "../../core/bytes.ts";
import { now } from "../../core/clock.ts";
import { utf8 } from "../../core/utf8.ts";
import type { Log } from "../../log/log.ts";
import type { EndReason, OpenState, Wire } from "../../wire/item.ts";
import type { HubCounters } from "../hub-stats.ts";
import type { CloseReason, OverflowPolicy, Subscription } from "../subscription.ts";
import { positionAt, readBatch, readNewest, type Cursors } from "./batch.ts";
import type { Group, Member } from "./group.ts";
import type { ResumePoint } from "./resume-point.ts";
import type { Sink } from "./sink.ts";

/** What all connections of a hub have in common. */
export interface ConnectionContext {
  readonly heartbeatMs: number;
  readonly counters: HubCounters;
  /** Called once when the connection is over. */
  readonly onClosed: (connection: Connection, reason: CloseReason) => void;
  /** Called once when its sink is released, which may be later. */
  readonly onReleased: (connection: Connection) => void;
}

/** What a connection is opened with. */
export interface ConnectionInit {
  readonly id: number;
  readonly identity: string | undefined;
  readonly group: Group;
  /** For each topic of the group: where it begins, and what happens if it is too slow. */
  readonly resumePoints: readonly ResumePoint[];
  readonly policies: readonly OverflowPolicy[];
  /** The request's query without its position. */
  readonly query: string;
  /** When it is recycled, by the hub's clock, and after how many bytes. */
  readonly expiresAt: number;
  readonly maxBytes: number;
}

/**
 * A client's place on a hub: a member of its group while it has had everything, and otherwise a cursor of its own, served
 * from the logs as its sink takes it. Nothing is queued for it but what its sink holds.
 */
export class Connection implements Subscription, Member {
  readonly id: number;
  readonly identity: string | undefined;
  readonly states: { readonly [topic: string]: OpenState };
  readonly expiresAt: number;
  /** The group's list of members, and the last pass that came to this one. */
  previous: Member | undefined;
  next: Member | undefined;
  pass = 0;
  /** Since when the sink takes nothing; Infinity while it does. */
  stalledSince: number = Infinity;
  readonly #context: ConnectionContext;
  readonly #group: Group;
  readonly #policies: readonly OverflowPolicy[];
  readonly #query: string;
  readonly #maxBytes: number;
  /** Bytes given to the sink. */
  #bytes = 0;
  #sink: Sink | undefined;
  /** Where it is; `undefined` while it is a member. */
  #cursors: Cursors | undefined;
  /** How many of the messages that are missed in each topic were told at the beginning, before they were passed over. */
  readonly #toldBefore: number[] | undefined;
  /** Whether it is to be ended as soon as it has had everything. */
  #isLeaving = false;
  #over = false;

  constructor(context: ConnectionContext, sink: Sink, init: ConnectionInit) {
    this.#context = context;
    this.#sink = sink;
    this.id = init.id;
    this.identity = init.identity;
    this.#group = init.group;
    this.#policies = init.policies;
    this.#query = init.query;
    this.expiresAt = init.expiresAt;
    this.#maxBytes = init.maxBytes;
    this.#cursors = init.resumePoints.map(({ cursor }) => cursor);
    this.states = Object.fromEntries(init.resumePoints.map(({ state }, i) => [this.topics[i] as string, state]));
    const told = init.resumePoints.map(({ missed }, i) => (init.policies[i] === "latest" ? (missed ?? 0) : 0));
    this.#toldBefore = told.some((missed) => missed > 0) ? told : undefined;
    this.#group.connections += 1;
    context.counters.lagging += 1;
  }

  get topics(): readonly string[] {
    return this.#group.logs.map(({ topic }) => topic);
  }

  get wire(): Wire {
    return this.#group.format.wire;
  }

  get group(): Group {
    return this.#group;
  }

  get position(): string {
    return positionAt(this.#group.logs, this.#cursors ?? this.#group.cursorsOf(this));
  }

  get over(): boolean {
    return this.#over;
  }

  close(reason: "unauthorized" | "gone"): void {
    if (this.#over) return;
    this.#group.flush(Infinity);
    // Who will not come back is to have had everything; but who may not have it, nothing more.
    if (reason === "gone" && this.#cursors !== undefined) this.#isLeaving = true;
    else this.end(reason, null);
  }

  /** Sends what a stream begins with. */
  open(resumePoints: readonly ResumePoint[]): void {
    const { format, logs } = this.#group;
    const heartbeatMs = format.heartbeat === "" ? 0 : this.#context.heartbeatMs;
    const item = { states: this.states, position: this.position, heartbeatMs };
    // Who is cut off before it has heard of every gap comes back from where it was, and is told of them again.
    const lastGap = resumePoints.findLastIndex(({ missed }) => missed !== undefined);
    let text = format.head + format.control("open", item, lastGap === -1 ? item.position : "");
    resumePoints.forEach(({ missed, cursor }, i) => {
      if (missed === undefined) return;
      const log = logs[i] as Log;
      this.#context.counters.skipped += missed ?? 0;
      const gap = { topic: log.topic, missed, position: log.position(cursor) };
      text += format.control("gap", gap, i === lastGap ? item.position : "");
    });
    this.#write(utf8(text));
  }

  /** The sink wants more. */
  drained(): void {
    this.stalledSince = Infinity;
    if (!this.#over && this.#cursors !== undefined) this.serve();
  }

  /** The sink is gone: the client has left, or all has been sent to it. */
  gone(reason: "client" | "error" = "client"): void {
    if (this.#sink === undefined) return;
    this.#sink = undefined;
    this.#finish(reason);
    this.#context.onReleased(this);
  }

  /** Breaks off. */
  destroy(reason: "stalled" | "error"): void {
    const sink = this.#sink;
    this.#finish(reason);
    sink?.destroy();
    this.gone();
  }

  /** Ends the response, with an end that tells the client when to come back. */
  end(reason: EndReason, retryMs: number | null): void {
    if (this.#over) return;
    const item = { reason, position: this.position, retryMs };
    const bytes = utf8(this.#group.format.end(item, this.#query));
    const sink = this.#sink;
    this.#finish(reason);
    this.stalledSince = now();
    try {
      sink?.end(bytes);
    } catch {
      sink?.destroy();
    }
  }

  /** A pass has come to this member. */
  deliver(bytes: Uint8Array, messages: number): void {
    this.#context.counters.delivered += messages;
    const wantsMore = this.#write(bytes);
    if (this.#over) return;
    if (this.#endAfter(messages)) return;
    if (!wantsMore) this.fallBehind();
  }

  /** Is no member any more: from now on it has cursors of its own. */
  fallBehind(): void {
    this.#cursors = this.#group.cursorsOf(this).slice();
    this.#group.leave(this);
    this.#context.counters.lagging += 1;
  }

  /** Sends what is behind the group's cursors, as long as the sink takes it, and then joins the group. */
  serve(): void {
    while (!this.#over && this.#cursors !== undefined && this.stalledSince === Infinity) {
      const limits = this.#group.cursors;
      if (!this.#serveSlow(this.#cursors, limits) && !this.#serveNext(this.#cursors, limits)) {
        this.#catchUp(this.#cursors, limits);
        return;
      }
      this.#endAfter(1);
    }
  }

  /** Ends a poll that has had messages, and a connection that has had enough bytes. */
  #endAfter(messages: number): boolean {
    if (this.wire === "poll") {
      if (messages > 0) this.end("poll", 0);
    } else if (this.#bytes >= this.#maxBytes) this.end("recycle", 0);
    return this.#over;
  }

  /** Does what a policy says where a log has passed the cursor, or where a topic's past is not wanted. */
  #serveSlow(cursors: Cursors, limits: Readonly<Cursors>): boolean {
    return this.#group.logs.some((log, i) => {
      const cursor = cursors[i] as number;
      const limit = Math.max(limits[i] as number, log.floor);
      if (cursor < log.holeEnd) {
        // What nobody has any more is not worth coming back for.
        cursors[i] = log.holeEnd;
        this.#write(this.#gap(i, log.missed(cursor, log.holeEnd), cursors));
        return true;
      }
      if (this.#policies[i] === "latest") {
        if (cursor >= limit) return false;
        this.#serveNewest(cursors, i, limit);
      } else {
        if (cursor >= log.floor) return false;
        if (this.#policies[i] === "resume") this.end("overflow", 0);
        else {
          cursors[i] = limit;
          this.#write(this.#gap(i, limit - cursor, cursors));
        }
      }
      return true;
    });
  }

  #serveNewest(cursors: Cursors, i: number, limit: number): void {
    const before = cursors.slice();
    const batch = readNewest(this.#group.format, this.#group.logs, cursors, i, limit);
    const { bytes, messages } = batch;
    const missed = batch.missed - this.#toldOf(i, batch.missed);
    this.#context.counters.delivered += messages;
    this.#write(missed > 0 ? joinBytes([this.#gap(i, missed, before), bytes]) : bytes);
  }

  /** How many of so many missed messages were told before, which are not told again. */
  #toldOf(i: number, missed: number): number {
    if (this.#toldBefore === undefined) return 0;
    const before = this.#toldBefore[i] as number;
    const told = Math.min(missed, before);
    this.#toldBefore[i] = before - told;
    return told;
  }

  #serveNext(cursors: Cursors, limits: Readonly<Cursors>): boolean {
    const batch = readBatch(this.#group.format, this.#group.logs, cursors, limits);
    if (batch === undefined) return false;
    this.#context.counters.delivered += batch.messages;
    this.#write(batch.bytes);
    return true;
  }

  #catchUp(cursors: Cursors, limits: Readonly<Cursors>): void {
    if (cursors.some((cursor, i) => cursor > (limits[i] as number))) {
      this.#group.joinLater(this);
      return;
    }
    this.#cursors = undefined;
    this.#context.counters.lagging -= 1;
    this.#group.join(this);
    if (this.#isLeaving) this.end("gone", null);
  }

  /** What tells of a gap, and counts it. */
  #gap(i: number, missed: number | null, cursors: Readonly<Cursors>): Uint8Array {
    const { format, logs } = this.#group;
    const log = logs[i] as Log;
    const item = { topic: log.topic, missed, position: log.position(cursors[i] as number) };
    this.#context.counters.skipped += missed ?? 0;
    return utf8(format.control("gap", item, positionAt(logs, cursors)));
  }

  #write(bytes: Uint8Array): boolean {
    if (this.#sink === undefined) return false;
    this.#bytes += bytes.length;
    let wantsMore = false;
    try {
      wantsMore = this.#sink.write(bytes);
    } catch {
      this.destroy("error");
    }
    if (!wantsMore && this.stalledSince === Infinity) this.stalledSince = now();
    return wantsMore;
  }

  #finish(reason: CloseReason): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#cursors === undefined) {
      this.#cursors = this.#group.cursorsOf(this).slice();
      this.#group.leave(this);
    } else this.#context.counters.lagging -= 1;
    this.#group.connections -= 1;
    this.#context.onClosed(this, reason);
  }
}

import { joinBytes } from "../../core/bytes.ts";
import { now } from "../../core/clock.ts";
import { utf8 } from "../../core/utf8.ts";
import type { Log } from "../../log/log.ts";
import { chunkOf } from "../../wire/chunked-coding.ts";
import type { EndReason, OpenState, Wire } from "../../wire/item.ts";
import type { Place } from "../capacity.ts";
import type { Flusher } from "../flusher.ts";
import type { HubCounters } from "../hub-stats.ts";
import type { OverflowPolicy } from "../request-options.ts";
import { checkExpiry, type CloseReason, type Subscription, type SubscriptionUpdate } from "../subscription.ts";
import { Backlog } from "./backlog.ts";
import type { BatchSource } from "./batch.ts";
import { Cursors } from "./cursors.ts";
import type { FlushBatch } from "./flush-batch.ts";
import type { Group } from "./group.ts";
import type { Member } from "./member.ts";
import type { ResumePoint } from "./resume-point.ts";
import type { Sink } from "./sink.ts";
import type { StreamClient } from "./stream-request.ts";

/** The reconnection delay in milliseconds of a client that was reading older messages when the broker failed. */
const RETRY_MS = 1000;

/** The dependencies that all connections of a hub share. */
export interface ConnectionContext {
  readonly heartbeatMs: number;
  readonly counters: HubCounters;
  readonly flusher: Flusher;
  /** Called once when the connection is over. `returns`: the hub has asked the client to reconnect at once. */
  readonly onClosed: (connection: Connection, reason: CloseReason, returns: boolean) => void;
  /** Called once when its sink is released, which may be later. */
  readonly onReleased: (connection: Connection) => void;
}

/** A topic that ends and that nobody may have begun. */
interface AwaitedTopic {
  readonly log: Log;
  /** Whether it has not begun. */
  readonly isAwaited: boolean;
}

/** The properties of a new connection. */
export interface ConnectionInit {
  readonly id: number;
  readonly client: StreamClient;
  readonly group: Group;
  /** The group, or the sink if that reads from it. */
  readonly source: BatchSource;
  /** The start of each topic of the group, and its policy. */
  readonly resumePoints: readonly ResumePoint[];
  readonly policies: readonly OverflowPolicy[];
  /** The topics that had not begun when it was opened. */
  readonly awaited: readonly AwaitedTopic[];
  /** The time at which the hub recycles it, by the hub's clock, and the number of bytes after which it does. */
  readonly recycleAt: number;
  readonly maxBytes: number;
  /** The number of writes after which the hub recycles it. */
  readonly maxWrites: number;
}

/**
 * A subscriber: a member of its group while it is caught up, and otherwise cursors of its own, served from the logs as
 * its sink drains.
 *
 * Invariants: nothing is queued for it beyond the sink's own buffer. It is in exactly one state: member (`#cursors`
 * undefined), lagging (`#cursors` set), or over. `onClosed` and `onReleased` are called once each, in this order.
 * Nothing is written after the end. The bytes of `open`, `gap` and `end` are those of PROTOCOL.md, sections 4 and 5.
 */
export class Connection implements Subscription, Member {
  readonly id: number;
  readonly identity: string | undefined;
  readonly context: unknown;
  readonly place: Place;
  readonly states: { readonly [topic: string]: OpenState };
  readonly recycleAt: number;
  expiresAt: number | null;
  /**
   * The links of the group's list of members, the number of the last pass that reached this one, and whether it waits to
   * be served. Only the group changes them.
   */
  previous: Member | undefined;
  next: Member | undefined;
  lastPass = 0;
  isWaiting = false;
  /** The time since which the sink takes nothing; Infinity while it takes bytes. */
  stalledSince: number = Infinity;
  readonly #context: ConnectionContext;
  readonly #group: Group;
  readonly #maxBytes: number;
  readonly #maxWrites: number;
  /** The bytes written to the sink, before it compresses them. */
  #bytes = 0;
  #writes = 0;
  #sink: Sink | undefined;
  /** Its places in the logs while it lags; `undefined` while it is a member. */
  #cursors: Cursors | undefined;
  readonly #backlog: Backlog;
  /** The topics that had not begun when it was opened, and the time until which it waits for them. */
  readonly #awaited: readonly AwaitedTopic[];
  #startBy: number;
  /** Whether the client was not told yet which topics have not begun. */
  #isPatient = true;
  /** Whether it waits for a page of older messages. */
  #awaitsPage = false;
  /** Whether the stream ends as soon as it is caught up. */
  #endsWhenCaughtUp = false;
  #over = false;

  constructor(context: ConnectionContext, sink: Sink, init: ConnectionInit) {
    this.#context = context;
    this.#sink = sink;
    this.id = init.id;
    this.identity = init.client.identity;
    this.context = init.client.context;
    this.place = init.client.place;
    this.#group = init.group;
    this.recycleAt = init.recycleAt;
    this.expiresAt = init.client.expiresAt;
    this.#maxBytes = init.maxBytes;
    this.#maxWrites = init.maxWrites;
    this.#awaited = init.awaited;
    this.#startBy = init.client.startBy;
    this.#cursors = Cursors.at(
      init.group.logs,
      init.resumePoints.map(({ cursor }) => cursor),
    );
    init.resumePoints.forEach(({ cursor, position }, i) => {
      if (position !== undefined) this.#cursors?.move(i, cursor, position);
    });
    this.states = Object.fromEntries(init.resumePoints.map(({ state }, i) => [this.topics[i] as string, state]));
    this.#backlog = new Backlog(init.source, init.policies, init.resumePoints, context.counters);
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
    return (this.#cursors ?? this.#group.cursorsOf(this)).position;
  }

  /** Whether the subscription has ended. Its response may still be on its way. */
  get over(): boolean {
    return this.#over;
  }

  get cursors(): Cursors | undefined {
    return this.#cursors;
  }

  close(reason: "unauthorized" | "gone"): void {
    if (this.#over) return;
    if (reason === "unauthorized") {
      // A client that lost its rights gets nothing more.
      this.end(reason, null);
      return;
    }
    // A client that does not reconnect gets its backlog first.
    this.#endsWhenCaughtUp = true;
    if (this.#cursors === undefined) this.fallBehind();
    this.serve();
  }

  /** Ends the stream after what has been published, as far as the sink takes it at once: see {@link end}. */
  endAfterRest(reason: EndReason, retryMs: number | null): void {
    if (this.#over) return;
    if (this.#cursors === undefined) this.fallBehind();
    this.#serveUpTo("heads");
    this.end(reason, retryMs);
  }

  update({ expiresAt }: SubscriptionUpdate): void {
    if (expiresAt !== null) checkExpiry(expiresAt);
    this.expiresAt = expiresAt;
    if (!this.#over) this.endIfExpired(Date.now());
  }

  /** Ends the stream if the client's permission has ended at this time, in milliseconds since 1970. */
  endIfExpired(time: number): void {
    if (this.expiresAt !== null && time >= this.expiresAt) this.end("unauthorized", 0);
  }

  /**
   * Tells the client which of its topics have not begun in time, once that is known at a time of the hub's clock. They
   * may still begin while the stream has others.
   */
  reportMissing(time: number): void {
    if (this.#awaited.length === 0 || time < this.#startBy || this.#over) return;
    this.#startBy = Infinity;
    this.#isPatient = false;
    this.#miss(this.#awaited.filter(({ isAwaited }) => isAwaited).map(({ log }) => log));
  }

  /**
   * Tells the client that one of its topics was removed, unless it has had the end of it.
   *
   * @param isOpening Whether nothing was sent yet, so that the client has had no end.
   */
  lose(log: Log, isOpening = false): void {
    const i = this.#group.logs.indexOf(log);
    if (i === -1 || this.#over || (!isOpening && this.#hasEnd(i))) return;
    this.#backlog.forget(log);
    this.#miss([log]);
  }

  /**
   * Writes the beginning of the stream: its head, the `open` item, the opening gaps and the expired topics.
   *
   * @param finite The topics that end.
   */
  open(resumePoints: readonly ResumePoint[], { removed, expired }: StreamClient, finite: readonly string[]): void {
    const { format, logs } = this.#group;
    const heartbeatMs = format.heartbeat === "" ? 0 : this.#context.heartbeatMs;
    const lists = { ...(removed.length > 0 && { removed }), ...(finite.length > 0 && { finite }) };
    const item = { states: this.states, position: this.position, heartbeatMs, ...lists };
    // Only the last item carries the position. A client that is cut off before it has received every gap resumes from
    // its old position, and gets them again.
    const lastGap = resumePoints.findLastIndex(({ missed }) => missed !== undefined);
    let text = format.head + format.control("open", item, lastGap === -1 ? item.position : "");
    resumePoints.forEach(({ missed, cursor, position }, i) => {
      if (missed === undefined) return;
      const log = logs[i] as Log;
      this.#context.counters.skipped += missed ?? 0;
      const gap = { topic: log.topic, missed, position: position ?? log.position(cursor) };
      text += format.control("gap", gap, i === lastGap ? item.position : "");
    });
    for (const topic of expired) text += format.control("missing", { topic, status: 410 }, "");
    const bytes = joinBytes([utf8(text), this.#placeAtOpening()]);
    if (bytes.length > 0) this.#write(bytes);
  }

  /** Returns the place of a connection that opens with nothing to send, in the formats that write places. */
  #placeAtOpening(): Uint8Array {
    const { format, logs } = this.#group;
    const isCaughtUp = logs.every(({ head }, i) => this.#cursors?.indexes[i] === head);
    if (format.batchEnd === undefined || !isCaughtUp) return new Uint8Array();
    const text = utf8(format.batchEnd(this.position, true).text);
    return format.isChunked ? chunkOf([text]) : text;
  }

  /**
   * Serves the backlog again, in the next flush: thousands of sinks may drain in one turn. The adapter calls it when the
   * sink drains.
   */
  drained(): void {
    this.stalledSince = Infinity;
    this.#serveLater();
  }

  /**
   * Ends the subscription. The adapter calls it when the sink is closed: the client has disconnected, or everything has
   * been sent.
   */
  gone(reason: "client" | "error" = "client"): void {
    if (this.#sink === undefined) return;
    this.#sink = undefined;
    this.#finish(reason);
    this.#context.onReleased(this);
  }

  /** Breaks the response off. */
  destroy(reason: "stalled" | "error"): void {
    const sink = this.#sink;
    this.#finish(reason);
    sink?.destroy();
    this.gone();
  }

  /**
   * Ends the stream with an `end` item.
   *
   * @param retryMs The client's reconnection delay in milliseconds; `null` if it must not reconnect.
   */
  end(reason: EndReason, retryMs: number | null): void {
    if (this.#over) return;
    const item = { reason, position: this.position, retryMs };
    const bytes = utf8(this.#group.format.end(item));
    const sink = this.#sink;
    this.#finish(reason, retryMs === 0);
    this.stalledSince = now();
    try {
      sink?.end(bytes);
    } catch {
      sink?.destroy();
    }
  }

  /** Writes one pass of the group to this member. */
  deliver(bytes: Uint8Array, messages: number): void {
    this.#context.counters.delivered += messages;
    this.#endPass(messages, this.#write(bytes));
  }

  /** Adds one pass of the group to a batch, if the batch takes the sink. */
  addTo(batch: FlushBatch, bytes: Uint8Array, messages: number): boolean {
    const sink = this.#sink;
    if (sink?.batchKey === undefined || !batch.accepts(sink.batchKey, bytes.length)) return false;
    batch.add(this, sink.encode?.(bytes) ?? bytes, bytes.length, messages);
    return true;
  }

  /** Notes that a batch has sent one pass of the group to this member. */
  delivered(length: number, messages: number, wantsMore: boolean): void {
    this.#context.counters.delivered += messages;
    this.#bytes += length;
    this.#writes += 1;
    if (!wantsMore && this.stalledSince === Infinity) this.stalledSince = now();
    this.#endPass(messages, wantsMore);
  }

  #endPass(messages: number, wantsMore: boolean): void {
    if (this.#over || this.#endIfDone(messages)) return;
    // After a batch, hooks of other connections run first: one of them may have made this connection lag.
    if (!wantsMore && this.#cursors === undefined) this.fallBehind();
  }

  /** Leaves the members and keeps cursors of its own from now on. */
  fallBehind(): void {
    this.#cursors = this.#group.cursorsOf(this).copy();
    this.#group.leaveBehind(this);
    this.#context.counters.lagging += 1;
  }

  /** Sends the backlog up to the group's cursors, as long as the sink takes it, and then joins the members. */
  serve(): void {
    if (!this.#serveUpTo(this.#endsWhenCaughtUp ? "heads" : "cursors")) return;
    if (this.#endsWhenCaughtUp || this.#isComplete) this.end("gone", null);
    else this.#rejoin(this.#cursors as Cursors, this.#group.cursors);
  }

  /**
   * Sends the backlog up to a place of the group, as long as the sink takes it. Returns whether it is sent, and the
   * stream goes on.
   */
  #serveUpTo(place: "cursors" | "heads"): boolean {
    while (!this.#over && this.#cursors !== undefined && this.stalledSince === Infinity) {
      // Any write may call the application, which may publish or open a connection: the place moves.
      const piece = this.#backlog.next(this.#cursors, this.#group[place]);
      if (piece === undefined) return true;
      if (piece === "older") {
        void this.#awaitPage();
        return false;
      }
      if (piece === "overflow") this.end("overflow", 0);
      else this.#write(piece);
      this.#endIfDone(1);
    }
    return false;
  }

  #serveLater(): void {
    if (this.#over || this.#cursors === undefined) return;
    this.#group.serveLater(this);
    this.#context.flusher.enqueue(this.#group);
  }

  /** Goes on once the next page of older messages has been read. */
  async #awaitPage(): Promise<void> {
    if (this.#awaitsPage) return;
    this.#awaitsPage = true;
    try {
      await this.#backlog.load();
      this.#awaitsPage = false;
      this.#serveLater();
    } catch {
      // The client reconnects with its position. Its request is refused until the broker can be read.
      this.end("recycle", RETRY_MS);
    }
  }

  /** Whether it has sent all of its topics up to their ends. */
  get #isComplete(): boolean {
    const { logs, hasEnded } = this.#group;
    const { forgotten } = this.#backlog;
    if (!hasEnded && forgotten.length === 0 && this.#isPatient) return false;
    return logs.every((log, i) => this.#hasEnd(i) || forgotten.includes(log) || this.#lacksBeginning(log));
  }

  /** Whether a topic has not begun, and the client was told so. */
  #lacksBeginning(log: Log): boolean {
    return !this.#isPatient && this.#awaited.some((topic) => topic.log === log && topic.isAwaited);
  }

  /** Whether it has sent the end of a topic. */
  #hasEnd(i: number): boolean {
    const { ended, head } = this.#group.logs[i] as Log;
    return ended !== undefined && (this.#cursors ?? this.#group.cursorsOf(this)).indexes[i] === head;
  }

  /** Reports topics as missing, and ends the stream if there are no others. */
  #miss(logs: readonly Log[]): void {
    const { format } = this.#group;
    for (const { topic, ended } of logs) {
      const item = { topic, status: ended === undefined ? 404 : 410 } as const;
      this.#write(utf8(format.control("missing", item, "")));
    }
    if (!this.#over && this.#isComplete) this.end("gone", null);
  }

  /**
   * Ends a stream whose topics have all ended and a poll that has received messages, and recycles a connection that has
   * sent enough bytes.
   */
  #endIfDone(messages: number): boolean {
    if (this.#isComplete) this.end("gone", null);
    else if (this.wire === "poll") {
      if (messages > 0) this.end("poll", 0);
    } else if (this.#bytes >= this.#maxBytes || this.#writes >= this.#maxWrites) this.end("recycle", 0);
    return this.#over;
  }

  /** Joins the members, unless this connection is ahead of them. */
  #rejoin(cursors: Cursors, limits: readonly number[]): void {
    if (cursors.indexes.some((cursor, i) => cursor > (limits[i] as number))) {
      this.#group.serveLater(this);
      return;
    }
    this.#cursors = undefined;
    this.#context.counters.lagging -= 1;
    this.#group.join(this);
  }

  #write(bytes: Uint8Array): boolean {
    if (this.#sink === undefined) return false;
    this.#bytes += bytes.length;
    this.#writes += 1;
    let wantsMore = false;
    try {
      wantsMore = this.#sink.write(bytes);
    } catch {
      this.destroy("error");
    }
    if (!wantsMore && this.stalledSince === Infinity) this.stalledSince = now();
    return wantsMore;
  }

  #finish(reason: CloseReason, returns = false): void {
    if (this.#over) return;
    this.#over = true;
    if (this.#cursors === undefined) {
      this.#cursors = this.#group.cursorsOf(this).copy();
      this.#group.leave(this);
    } else {
      this.#group.remove(this);
      this.#context.counters.lagging -= 1;
    }
    this.#group.connections -= 1;
    this.#context.onClosed(this, reason, returns);
  }
}

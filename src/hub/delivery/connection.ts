import { utf8 } from "../../core/utf8.ts";
import type { Log } from "../../log/log.ts";
import type { EndReason, Wire } from "../../wire/item.ts";
import type { Place } from "../capacity.ts";
import { checkExpiry, type CloseReason, type Subscription, type SubscriptionUpdate } from "../subscription.ts";
import type { FlushBatch } from "./flush-batch.ts";
import type { Member } from "./member.ts";
import { openingBytes, openStates, type OpenStates } from "./opening.ts";
import { Progress, type ConnectionContext, type ConnectionInit } from "./progress.ts";
import type { ResumePoint } from "./resume-point.ts";
import type { OpenStream, Sink } from "./sink.ts";
import type { StreamClient } from "./stream-request.ts";

/** The reconnection delay in milliseconds of a client that was reading older messages when the broker failed. */
const RETRY_MS = 1000;

/**
 * A subscriber: a member of its group while it is caught up, and otherwise cursors of its own, served from the logs as
 * its sink drains.
 *
 * Invariants: nothing is queued for it beyond the sink's own buffer. It is in exactly one state: member (without
 * cursors), lagging (with cursors of its own), or over. `onClosed` and `onReleased` are called once each, in this order.
 * Nothing is written after the end. The bytes of `open`, `gap` and `end` are those of PROTOCOL.md, sections 4 and 5.
 * A connection makes what only some need when it needs it, since each field counts.
 */
export class Connection extends Progress implements Subscription, Member, OpenStream {
  readonly id: number;
  readonly identity: string | undefined;
  readonly context: unknown;
  readonly place: Place;
  readonly states: OpenStates;
  readonly recycleAt: number;
  expiresAt: number | null;
  /** Whether `onOpen` was called with it. Only `Subscriptions` changes it. */
  isAnnounced = false;
  /** Its links among the group's members, the last pass that reached it, and whether it waits. Only the group changes them. */
  previous: Member | undefined;
  next: Member | undefined;
  lastPass = 0;
  isWaiting = false;
  readonly #context: ConnectionContext<Connection>;
  /** Whether it waits for a page of older messages. */
  #awaitsPage = false;
  /** Whether the stream ends as soon as it is caught up. */
  #endsWhenCaughtUp = false;
  #over = false;

  constructor(context: ConnectionContext<Connection>, sink: Sink, init: ConnectionInit) {
    super(sink, context.counters, init);
    const { client, group } = init;
    this.#context = context;
    this.id = init.id;
    this.identity = client.identity;
    this.context = client.context;
    this.place = client.place;
    this.recycleAt = init.recycleAt;
    this.expiresAt = client.expiresAt;
    this.states = openStates(group, init.resumePoints);
    group.connections += 1;
  }

  get topics(): readonly string[] {
    return this.group.logs.map(({ topic }) => topic);
  }

  get wire(): Wire {
    return this.group.format.wire;
  }

  /** Whether the subscription has ended. Its response may still be on its way. */
  get over(): boolean {
    return this.#over;
  }

  protected get member(): this {
    return this;
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
    if (this.cursors === undefined) this.fallBehind();
    this.serve();
  }

  /** Ends the stream after what has been published, as far as the sink takes it at once: see {@link end}. */
  endAfterRest(reason: EndReason, retryMs: number | null): void {
    if (this.#over) return;
    if (this.cursors === undefined) this.fallBehind();
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
    const missing = this.#over ? undefined : this.takeOverdue(time);
    if (missing !== undefined) this.#miss(missing);
  }

  /**
   * Tells the client that one of its topics was removed, unless it has had the end of it.
   *
   * @param isOpening Whether nothing was sent yet, so that the client has had no end.
   */
  lose(log: Log, isOpening = false): void {
    const i = this.group.logs.indexOf(log);
    if (i === -1 || this.#over || (!isOpening && this.hasEnd(i))) return;
    this.forget(log);
    this.#miss([log]);
  }

  /**
   * Writes the beginning of the stream: its head, the `open` item, the opening gaps and the expired topics.
   *
   * @param finite The topics that end.
   */
  open(points: readonly ResumePoint[], client: StreamClient, finite: readonly string[]): void {
    const { heartbeatMs, counters } = this.#context;
    const opening = {
      group: this.group,
      cursors: this.places,
      states: this.states,
      points,
      client,
      finite,
      heartbeatMs,
    };
    const bytes = openingBytes(opening, counters);
    if (bytes.length > 0) this.write(bytes);
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
    if (!this.releaseSink()) return;
    this.#finish(reason);
    this.#context.onReleased(this);
  }

  /** Breaks the response off. */
  destroy(reason: "stalled" | "error"): void {
    const { sink } = this;
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
    const bytes = utf8(this.group.format.end(item));
    const { sink } = this;
    this.#finish(reason, retryMs === 0);
    this.writeEnd(sink, bytes);
  }

  /** Writes one pass of the group to this member. */
  deliver(bytes: Uint8Array, messages: number): void {
    this.#context.counters.delivered += messages;
    this.#endPass(messages, this.write(bytes));
  }

  /** Adds one pass of the group to a batch, if the batch takes the sink. */
  addTo(batch: FlushBatch, bytes: Uint8Array, messages: number): boolean {
    const { sink } = this;
    if (sink?.batchKey === undefined || !batch.accepts(sink.batchKey, bytes.length)) return false;
    batch.add(this, sink.encode?.(bytes) ?? bytes, bytes.length, messages);
    return true;
  }

  /** Notes that a batch has sent one pass of the group to this member. */
  delivered(length: number, messages: number, wantsMore: boolean): void {
    this.#context.counters.delivered += messages;
    this.wrote(length, wantsMore);
    this.#endPass(messages, wantsMore);
  }

  #endPass(messages: number, wantsMore: boolean): void {
    // The logs are asked once for all members: after a write their memory is no longer in the cache of the core.
    if (this.#over || this.#endIfDone(messages, this.group.passHasEnd)) return;
    // After a batch, hooks of other connections run first: one of them may have made this connection lag.
    if (!wantsMore && this.cursors === undefined) this.fallBehind();
  }

  /** Leaves the members and keeps cursors of its own from now on. */
  fallBehind(): void {
    this.lag();
    this.group.leaveBehind(this);
  }

  /** Sends the backlog up to the group's cursors, as long as the sink takes it, and then joins the members. */
  serve(): void {
    if (!this.#serveUpTo(this.#endsWhenCaughtUp ? "heads" : "cursors")) return;
    if (this.#endsWhenCaughtUp || this.isComplete) this.end("gone", null);
    else if (this.isAhead) this.group.serveLater(this);
    else {
      this.catchUp();
      this.group.join(this);
    }
  }

  /**
   * Sends the backlog up to a place of the group, as long as the sink takes it. Returns whether it is sent, and the
   * stream goes on.
   */
  #serveUpTo(place: "cursors" | "heads"): boolean {
    while (!this.#over && this.cursors !== undefined && this.stalledSince === Infinity) {
      // Any write may call the application, which may publish or open a connection: the place moves.
      const piece = this.nextPiece(this.cursors, this.group[place]);
      if (piece === undefined) return true;
      if (piece === "older") {
        void this.#awaitPage();
        return false;
      }
      if (piece === "overflow") this.end("overflow", 0);
      else this.write(piece);
      this.#endIfDone(1);
    }
    return false;
  }

  #serveLater(): void {
    if (this.#over || this.cursors === undefined) return;
    this.group.serveLater(this);
    this.#context.flusher.enqueue(this.group);
  }

  /** Goes on once the next page of older messages has been read. */
  async #awaitPage(): Promise<void> {
    if (this.#awaitsPage) return;
    this.#awaitsPage = true;
    try {
      await this.loadPage();
      this.#awaitsPage = false;
      this.#serveLater();
    } catch {
      // The client reconnects with its position. Its request is refused until the broker can be read.
      this.end("recycle", RETRY_MS);
    }
  }

  /** Reports topics as missing, and ends the stream if there are no others. */
  #miss(logs: readonly Log[]): void {
    const { format } = this.group;
    for (const { topic, ended } of logs) {
      const item = { topic, status: ended === undefined ? 404 : 410 } as const;
      this.write(utf8(format.control("missing", item, "")));
    }
    if (!this.#over && this.isComplete) this.end("gone", null);
  }

  /**
   * Ends a stream whose topics have all ended and a poll that has received messages, and recycles a connection that has
   * sent enough bytes.
   *
   * @param mayBeComplete `false` if its topics cannot all have ended.
   */
  #endIfDone(messages: number, mayBeComplete = true): boolean {
    if (mayBeComplete && this.isComplete) this.end("gone", null);
    else if (this.wire === "poll") {
      if (messages > 0) this.end("poll", 0);
    } else if (this.isUsedUp) this.end("recycle", 0);
    return this.#over;
  }

  #finish(reason: CloseReason, returns = false): void {
    if (this.#over) return;
    this.#over = true;
    if (this.freeze()) this.group.leave(this);
    else this.group.remove(this);
    this.group.connections -= 1;
    this.#context.onClosed(this, reason, returns);
  }
}

import { now } from "../../core/clock.ts";
import { inChunks } from "../../wire/chunked-coding.ts";
import type { Capacity } from "../capacity.ts";
import type { HubSettings } from "../hub-settings.ts";
import type { HubCounters } from "../hub-stats.ts";
import { Connection } from "./connection.ts";
import type { ConnectionContext } from "./progress.ts";
import { drain } from "./drain.ts";
import type { Flusher } from "../flusher.ts";
import type { Group } from "./group.ts";
import type { OutputLimits } from "./output.ts";
import { resumePoint, type ResumePoint } from "./resume-point.ts";
import type { StreamClient, StreamRequest } from "./stream-request.ts";
import { PackedSink } from "./packed-sink.ts";
import type { Sink } from "./sink.ts";
import type { PackingContext } from "../packing/packing-context.ts";
import type { Wire } from "../../wire/item.ts";
import type { OverflowPolicy } from "../request-options.ts";
import type { CloseReason, Subscription } from "../subscription.ts";
import type { Sweeper } from "../sweeper.ts";
import { FlushBatch } from "./flush-batch.ts";
import { Groups } from "./groups.ts";
import type { LiveTopic } from "../topics/live-topic.ts";

/** The time in milliseconds that a response which has ended may take to reach its client before it is destroyed. */
const LINGER_MS = 5000;

/** Called with every subscription that opens (1) or is over (-1). */
export type SubscriptionObserver = (subscription: Subscription, change: 1 | -1) => void;

/**
 * The hub recycles a comet connection after this number of writes. WebKit copies its list of all pieces of a response for
 * each new piece, and while it is busy with pieces it runs no script that could replace the document.
 */
const MAX_COMET_WRITES = 5000;

/**
 * The connections of a hub, from their opening until their sinks are released.
 *
 * Opening and closing touch several rooms - topics, groups, connections, the application's hooks - and only this class
 * knows their order. Keep it: counters and observers change before the first byte and before a hook runs; `onOpen` runs
 * once the first bytes are written; `onClose` runs exactly once, for each subscription that `onOpen` was called with.
 */
export class Subscriptions {
  /** The open connections. */
  readonly connections: Set<Connection> = new Set();
  /** Connections that are over, but whose responses are still on their way. */
  readonly #lingering = new Set<Connection>();
  readonly #settings: HubSettings;
  readonly #capacity: Capacity;
  readonly #flusher: Flusher;
  readonly #sweeper: Sweeper;
  readonly #counters: HubCounters;
  /** Where connections are compressed, if any are. */
  readonly #packing: PackingContext | undefined;
  readonly #groups: Groups;
  readonly #context: ConnectionContext<Connection>;
  /** The limits of connections on comet, and on other wires. */
  readonly #cometLimits: OutputLimits;
  readonly #limits: OutputLimits;
  readonly #observers: SubscriptionObserver[] = [];
  #onAllReleased: (() => void) | undefined;

  constructor(
    settings: HubSettings,
    capacity: Capacity,
    flusher: Flusher,
    sweeper: Sweeper,
    counters: HubCounters,
    packing?: PackingContext,
  ) {
    this.#settings = settings;
    this.#capacity = capacity;
    this.#flusher = flusher;
    this.#sweeper = sweeper;
    this.#counters = counters;
    this.#packing = packing;
    this.#groups = new Groups(new FlushBatch(flusher));
    this.#context = {
      heartbeatMs: settings.heartbeatMs,
      counters,
      flusher,
      onClosed: (connection, reason, returns) => this.#onClosed(connection, reason, returns),
      onReleased: (connection) => this.#onReleased(connection),
    };
    const { maxConnectionBytes, maxCometBytes } = settings;
    this.#limits = { maxBytes: maxConnectionBytes, maxWrites: Infinity };
    this.#cometLimits = { maxBytes: Math.min(maxCometBytes, maxConnectionBytes), maxWrites: MAX_COMET_WRITES };
    sweeper.add((time) => this.#sweep(time));
  }

  /** Calls `observer` with every change from now on, before the application's hooks. */
  observe(observer: SubscriptionObserver): void {
    this.#observers.push(observer);
  }

  /**
   * Opens a connection in the client's place. The place is freed when the connection is over, and also if this throws.
   *
   * @param topics The topics of the request. The caller keeps them alive until this returns.
   */
  open(topics: readonly LiveTopic[], request: StreamRequest, client: StreamClient, sink: Sink): Connection {
    let group: Group | undefined;
    let connection: Connection | undefined;
    try {
      const { format, isPacked } = request;
      const { isChunked } = sink;
      const policies = topics.map(({ settings }) => client.overflow ?? settings.overflow);
      group = isPacked
        ? this.#groups.join(format, topics, this.#packing)
        : this.#groups.join(isChunked ? inChunks(format) : format, topics);
      const packed = group.packing && new PackedSink(sink, group.packing, group);
      const time = now();
      for (const { log } of topics) log.trim(time);
      const resumePoints = resumePointsOf(topics, request, client, policies, group);
      this.#counters.opened += 1;
      connection = new Connection(this.#context, packed ?? sink, {
        id: this.#counters.opened,
        client,
        group,
        source: packed ?? group,
        resumePoints,
        policies,
        awaited: topics.filter(({ isAwaited }) => isAwaited),
        recycleAt: time + this.#ageOf(format.wire, request.maxAgeMs),
        limits: format.wire === "comet" ? this.#cometLimits : this.#limits,
      });
      this.#begin(connection, topics, resumePoints, client, request.waits);
      return connection;
    } catch (error) {
      client.place.free(false);
      connection?.destroy("error");
      if (group !== undefined) this.#groups.leave(group);
      throw error;
    }
  }

  /** Adds a connection, writes its beginning, and ends it at once where it has nothing to wait for. */
  #begin(
    connection: Connection,
    topics: readonly LiveTopic[],
    resumePoints: readonly ResumePoint[],
    client: StreamClient,
    waits: boolean,
  ): void {
    this.connections.add(connection);
    this.#sweeper.start();
    this.#counters.byWire[connection.wire] += 1;
    for (const observe of this.#observers) observe(connection, 1);
    const finite = topics.filter(({ life }) => life !== undefined).map(({ name }) => name);
    connection.open(resumePoints, client, finite);
    // Other code may have removed a topic since the request was admitted.
    for (const { isForgotten, log } of topics) if (isForgotten) connection.lose(log, true);
    if (!connection.over) {
      connection.isAnnounced = true;
      this.#callHook(() => this.#settings.onOpen(connection));
    }
    const lacksMessages = resumePoints.some(({ missed }) => missed !== undefined);
    if (connection.group.format.endsAtGap === true && lacksMessages) connection.end("overflow", 0);
    connection.serve();
    // A poll whose stream has anything to report does not wait.
    const isReady = !waits || resumePoints.some(({ state }) => state !== "recovered");
    if (connection.wire === "poll" && isReady) connection.end("poll", 0);
    // The hub may have begun to shut down since the request was admitted.
    if (this.#capacity.isClosed) connection.end("drain", Math.round(this.#capacity.retryAfterMs));
  }

  /** Returns the age in milliseconds at which a connection ends by itself. */
  #ageOf(wire: Wire, maxAgeMs = Infinity): number {
    const { pollMs, maxConnectionAgeMs } = this.#settings;
    return wire === "poll" ? pollMs : Math.min(maxConnectionAgeMs, maxAgeMs) * (1 - Math.random() / 10);
  }

  /**
   * Ends all connections over a time in milliseconds.
   *
   * @returns Resolves when all connections are ended. Some of their responses may still be on their way.
   */
  drain(drainMs: number): Promise<void> {
    return drain(this.connections, drainMs);
  }

  /** Tells the connections that follow a topic that it was removed. */
  forget(topic: LiveTopic): void {
    for (const connection of this.connections) connection.lose(topic.log);
  }

  /** Resolves when the response of every connection has reached its client, or 5 s after it ended. */
  async allReleased(): Promise<void> {
    if (this.connections.size + this.#lingering.size === 0) return;
    await new Promise<void>((resolve) => (this.#onAllReleased = resolve));
  }

  #onClosed(connection: Connection, reason: CloseReason, returns: boolean): void {
    connection.place.free(returns);
    this.connections.delete(connection);
    this.#lingering.add(connection);
    this.#counters.byWire[connection.wire] -= 1;
    if (reason === "recycle") this.#counters.recycled += 1;
    for (const observe of this.#observers) observe(connection, -1);
    this.#groups.leave(connection.group);
    if (connection.isAnnounced) this.#callHook(() => this.#settings.onClose(connection, reason));
  }

  #onReleased(connection: Connection): void {
    this.#lingering.delete(connection);
    if (this.connections.size === 0 && this.#lingering.size === 0) this.#onAllReleased?.();
  }

  /** Calls a hook of the application. Its error goes to `onError`, and changes nothing here. */
  #callHook(hook: () => void): void {
    try {
      hook();
    } catch (error) {
      this.#settings.onError(error);
    }
  }

  #sweep(time: number): boolean {
    // Permissions end by the clock of the wall, which may be set meanwhile.
    const wallTime = Date.now();
    for (const connection of this.connections) this.#sweepOne(connection, time, wallTime);
    for (const connection of this.#lingering) {
      if (time - connection.stalledSince > LINGER_MS) connection.destroy("error");
    }
    this.#sendHeartbeats(time);
    return this.connections.size > 0 || this.#lingering.size > 0;
  }

  #sweepOne(connection: Connection, time: number, wallTime: number): void {
    if (time - connection.stalledSince > this.#settings.stallMs) connection.destroy("stalled");
    connection.endIfExpired(wallTime);
    connection.reportMissing(time);
    if (time >= connection.recycleAt) connection.end(connection.wire === "poll" ? "poll" : "recycle", 0);
  }

  /** Requests heartbeats for the groups that were silent. */
  #sendHeartbeats(time: number): void {
    const { heartbeatMs } = this.#settings;
    if (heartbeatMs === 0) return;
    for (const group of this.#groups) {
      // Waiting for the next sweep would make the heartbeat late.
      const isDue = time - group.lastPassAt >= heartbeatMs - this.#sweeper.periodMs;
      if (group.format.heartbeat === "" || !isDue) continue;
      group.requestHeartbeat();
      this.#flusher.enqueue(group);
    }
  }
}

function resumePointsOf(
  topics: readonly LiveTopic[],
  { positions, from }: StreamRequest,
  { starts }: StreamClient,
  policies: readonly OverflowPolicy[],
  group: Group,
): ResumePoint[] {
  const { newest } = group;
  return topics.map((topic, i) => {
    const { name, log } = topic;
    const position = positions === "unreadable" ? positions : positions.get(name);
    const start = from ?? topic.defaultStart;
    return resumePoint(log, position, start, policies[i] as OverflowPolicy, newest[i] as number, starts.get(name));
  });
}

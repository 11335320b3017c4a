import { now } from "../../core/clock.ts";
import { inChunks } from "../../wire/chunked-coding.ts";
import type { Capacity } from "../capacity.ts";
import type { RequestOptions, HubSettings } from "../hub-options.ts";
import type { HubCounters } from "../hub-stats.ts";
import { Connection, type ConnectionContext } from "./connection.ts";
import { drain } from "./drain.ts";
import type { Flusher } from "../flusher.ts";
import { resumePoint } from "./resume-point.ts";
import type { StreamRequest } from "./stream-request.ts";
import type { Sink } from "./sink.ts";
import type { CloseReason, Subscription } from "../subscription.ts";
import type { Sweeper } from "../sweeper.ts";
import { Groups } from "./groups.ts";
import type { LiveTopic } from "../topics/live-topic.ts";

/** The time in milliseconds that a response which has ended may take to reach its client before it is destroyed. */
const LINGER_MS = 5000;

/** Called with every subscription that opens (1) or is over (-1). */
export type SubscriptionObserver = (subscription: Subscription, change: 1 | -1) => void;

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
  /** The connections that `onOpen` was called with. */
  readonly #announced = new WeakSet<Connection>();
  readonly #settings: HubSettings;
  readonly #capacity: Capacity;
  readonly #flusher: Flusher;
  readonly #sweeper: Sweeper;
  readonly #counters: HubCounters;
  readonly #groups = new Groups();
  readonly #context: ConnectionContext;
  readonly #observers: SubscriptionObserver[] = [];
  #onAllReleased: (() => void) | undefined;

  constructor(settings: HubSettings, capacity: Capacity, flusher: Flusher, sweeper: Sweeper, counters: HubCounters) {
    this.#settings = settings;
    this.#capacity = capacity;
    this.#flusher = flusher;
    this.#sweeper = sweeper;
    this.#counters = counters;
    this.#context = {
      heartbeatMs: settings.heartbeatMs,
      counters,
      onClosed: (connection, reason) => this.#onClosed(connection, reason),
      onReleased: (connection) => this.#onReleased(connection),
    };
    sweeper.add((time) => this.#sweep(time));
  }

  /** Calls `observer` with every change from now on, before the application's hooks. */
  observe(observer: SubscriptionObserver): void {
    this.#observers.push(observer);
  }

  /**
   * Opens a connection in a place that was taken for it. The place is freed when the connection is over.
   *
   * @param topics The topics of the request. The caller keeps them alive until this returns.
   */
  open(
    topics: readonly LiveTopic[],
    request: StreamRequest,
    { overflow, identity }: RequestOptions,
    sink: Sink,
  ): Connection {
    const { format, positions, from } = request;
    const group = this.#groups.join(sink.isChunked ? inChunks(format) : format, topics);
    const policies = topics.map(({ settings }) => overflow ?? settings.overflow);
    for (const { log } of topics) log.trim(now());
    const { newest } = group;
    const resumePoints = topics.map((topic, i) => {
      const policy = policies[i] as (typeof policies)[number];
      return resumePoint(topic.log, positions.get(topic.name), from, policy, newest[i] as number);
    });
    const { pollMs, maxConnectionAgeMs, maxConnectionBytes, maxCometBytes } = this.#settings;
    const ageMs = format.wire === "poll" ? pollMs : maxConnectionAgeMs * (1 - Math.random() / 10);
    this.#counters.opened += 1;
    const connection = new Connection(this.#context, sink, {
      id: this.#counters.opened,
      identity,
      group,
      resumePoints,
      policies,
      query: format.wire === "comet" ? request.query : "",
      expiresAt: now() + ageMs,
      maxBytes: format.wire === "comet" ? Math.min(maxCometBytes, maxConnectionBytes) : maxConnectionBytes,
    });
    this.connections.add(connection);
    this.#counters.byWire[connection.wire] += 1;
    for (const observe of this.#observers) observe(connection, 1);
    connection.open(resumePoints);
    if (!connection.over) {
      this.#announced.add(connection);
      this.#callHook(() => this.#settings.onOpen(connection));
    }
    connection.serve();
    // A poll whose stream has anything to report does not wait.
    const isReady = !request.waits || resumePoints.some(({ state }) => state !== "recovered");
    if (connection.wire === "poll" && isReady) connection.end("poll", 0);
    // The hub may have begun to shut down since the request was admitted.
    if (this.#capacity.isClosed) connection.end("drain", Math.round(this.#capacity.retryAfterMs));
    return connection;
  }

  /**
   * Ends all connections over a time in milliseconds.
   *
   * @returns Resolves when all connections are ended. Some of their responses may still be on their way.
   */
  drain(drainMs: number): Promise<void> {
    return drain(this.connections, drainMs);
  }

  /** Resolves when the response of every connection has reached its client, or 5 s after it ended. */
  async allReleased(): Promise<void> {
    if (this.connections.size + this.#lingering.size === 0) return;
    await new Promise<void>((resolve) => (this.#onAllReleased = resolve));
  }

  #onClosed(connection: Connection, reason: CloseReason): void {
    this.#capacity.free();
    this.connections.delete(connection);
    this.#lingering.add(connection);
    this.#counters.byWire[connection.wire] -= 1;
    if (reason === "recycle") this.#counters.recycled += 1;
    for (const observe of this.#observers) observe(connection, -1);
    this.#groups.leave(connection.group);
    if (this.#announced.has(connection)) this.#callHook(() => this.#settings.onClose(connection, reason));
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
    for (const connection of this.connections) this.#sweepOne(connection, time);
    for (const connection of this.#lingering) {
      if (time - connection.stalledSince > LINGER_MS) connection.destroy("error");
    }
    this.#sendHeartbeats(time);
    return this.connections.size > 0 || this.#lingering.size > 0;
  }

  #sweepOne(connection: Connection, time: number): void {
    if (time - connection.stalledSince > this.#settings.stallMs) connection.destroy("stalled");
    else if (time >= connection.expiresAt) connection.end(connection.wire === "poll" ? "poll" : "recycle", 0);
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

import type { Connection } from "./connection.ts";
import { now } from "../core/clock.ts";
import type { Group } from "./group.ts";
import type { Settings } from "./options.ts";

/** How long a response that has ended may take to reach its client before it is broken off, in milliseconds. */
const LINGER_MS = 5000;
const SHORTEST_PERIOD_MS = 5;
const LONGEST_PERIOD_MS = 1000;

/** What is swept. */
export interface Swept {
  readonly connections: ReadonlySet<Connection>;
  /** Those that are over, but whose responses are not yet. */
  readonly lingering: ReadonlySet<Connection>;
  readonly groups: Iterable<Group>;
  /** Sends a group its heartbeat. */
  beat(group: Group): void;
  /** Lets go of topics that nobody needs; true while there are any left. */
  evict(): boolean;
}

/**
 * The one timer of a hub, for all its connections and topics: heartbeats, ages, stalls, polls that have waited long
 * enough, topics to be forgotten. It runs while there is anything to look after, and keeps no process alive.
 */
export class Sweeper {
  readonly #settings: Settings;
  readonly #swept: Swept;
  readonly #periodMs: number;
  #timer: ReturnType<typeof setInterval> | undefined;

  constructor(settings: Settings, swept: Swept) {
    this.#settings = settings;
    this.#swept = swept;
    const { heartbeatMs, pollMs, maxConnectionAgeMs, stallMs, log } = settings;
    const shortest = Math.min(
      heartbeatMs === 0 ? Infinity : heartbeatMs,
      pollMs,
      maxConnectionAgeMs,
      stallMs,
      log.maxAgeMs,
    );
    this.#periodMs = Math.min(LONGEST_PERIOD_MS, Math.max(SHORTEST_PERIOD_MS, Math.floor(shortest / 10)));
  }

  start(): void {
    if (this.#timer !== undefined) return;
    this.#timer = setInterval(() => this.#sweep(), this.#periodMs);
    (this.#timer as { unref?: () => void }).unref?.();
  }

  #sweep(): void {
    const time = now();
    for (const connection of this.#swept.connections) this.#look(connection, time);
    for (const connection of this.#swept.lingering) {
      if (time - connection.stalledSince > LINGER_MS) connection.destroy("error");
    }
    this.#beat(time);
    const topicsLeft = this.#swept.evict();
    if (topicsLeft || this.#swept.connections.size > 0 || this.#swept.lingering.size > 0) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }

  #look(connection: Connection, time: number): void {
    if (time - connection.stalledSince > this.#settings.stallMs) connection.destroy("stalled");
    else if (connection.wire === "poll") {
      if (time >= connection.expiresAt) connection.end("poll", 0);
    } else if (time >= connection.expiresAt) connection.end("recycle", 0);
  }

  #beat(time: number): void {
    const { heartbeatMs } = this.#settings;
    if (heartbeatMs === 0) return;
    // A sweep late would be a heartbeat late.
    for (const group of this.#swept.groups) {
      if (group.format.heartbeat !== "" && time - group.lastPassAt >= heartbeatMs - this.#periodMs)
        this.#swept.beat(group);
    }
  }
}

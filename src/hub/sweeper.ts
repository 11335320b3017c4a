import { now } from "../core/clock.ts";
import { unrefInterval, type Timer } from "../core/timers.ts";

/** The bounds of the period, in milliseconds. */
const SHORTEST_PERIOD_MS = 5;
const LONGEST_PERIOD_MS = 1000;

/** The times to watch, in milliseconds: options of the hub. */
export interface SweptTimes {
  readonly heartbeatMs: number;
  readonly pollMs: number;
  readonly maxConnectionAgeMs: number;
  readonly stallMs: number;
  readonly log: { readonly maxAgeMs: number };
}

/** Checks something that ages, at a time of the hub's clock. Returns whether anything is left to check. */
export type Sweep = (time: number) => boolean;

/**
 * The one timer of a hub: heartbeats, ages, stalls, polls that have waited long enough, topics without followers.
 *
 * Each room adds its own sweep. The timer runs only while one of them has something left, and it does not keep the
 * process alive. A sweep is synchronous and must cost little: it runs over every connection.
 *
 * Invariant: an open connection and an idle topic have no timer of their own. A room that has something new to check
 * must call `start`.
 */
export class Sweeper {
  /**
   * The period in milliseconds, from 5 to 1,000: a tenth of the shortest time to watch. An action may be late by one
   * period.
   */
  readonly periodMs: number;
  readonly #sweeps: Sweep[] = [];
  #timer: Timer | undefined;

  constructor({ heartbeatMs, pollMs, maxConnectionAgeMs, stallMs, log }: SweptTimes) {
    const heartbeat = heartbeatMs === 0 ? Infinity : heartbeatMs;
    const shortest = Math.min(heartbeat, pollMs, maxConnectionAgeMs, stallMs, log.maxAgeMs);
    this.periodMs = Math.min(LONGEST_PERIOD_MS, Math.max(SHORTEST_PERIOD_MS, Math.floor(shortest / 10)));
  }

  /** Adds a room's sweep. Called once by each room, when the hub is created. */
  add(sweep: Sweep): void {
    this.#sweeps.push(sweep);
  }

  /** Starts the timer, unless it runs. Called when there is something to check. */
  start(): void {
    this.#timer ??= unrefInterval(() => this.#run(), this.periodMs);
  }

  #run(): void {
    const time = now();
    let isAnyLeft = false;
    for (const sweep of this.#sweeps) if (sweep(time)) isAnyLeft = true;
    if (isAnyLeft) return;
    clearInterval(this.#timer);
    this.#timer = undefined;
  }
}

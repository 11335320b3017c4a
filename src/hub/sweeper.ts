import { now } from "../core/clock.ts";
import { unrefInterval, type Timer } from "../core/timers.ts";
import type { HubSettings } from "./hub-options.ts";

const SHORTEST_PERIOD_MS = 5;
const LONGEST_PERIOD_MS = 1000;

/** Looks after something that ages, and returns whether there is anything left to look after. */
export type Sweep = (time: number) => boolean;

/**
 * The one timer of a hub: heartbeats, ages, stalls, polls that have waited long enough, topics that nobody follows. Each room adds its
 * own sweep. The timer runs while any of them has something left, and keeps no process alive.
 */
export class Sweeper {
  /** How often it sweeps, in milliseconds: what is due may be so late. */
  readonly periodMs: number;
  readonly #sweeps: Sweep[] = [];
  #timer: Timer | undefined;

  constructor({ heartbeatMs, pollMs, maxConnectionAgeMs, stallMs, log }: HubSettings) {
    const heartbeat = heartbeatMs === 0 ? Infinity : heartbeatMs;
    const shortest = Math.min(heartbeat, pollMs, maxConnectionAgeMs, stallMs, log.maxAgeMs);
    this.periodMs = Math.min(LONGEST_PERIOD_MS, Math.max(SHORTEST_PERIOD_MS, Math.floor(shortest / 10)));
  }

  add(sweep: Sweep): void {
    this.#sweeps.push(sweep);
  }

  /** Begins to sweep: there is something to look after. */
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

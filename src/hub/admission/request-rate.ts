import { now } from "../../core/clock.ts";
import type { Sweeper } from "../sweeper.ts";

/** The length of a window, in milliseconds. */
const WINDOW_MS = 1000;
/** The most clients that one window counts. A client beyond them is not limited in this window. */
const MAX_CLIENTS = 65_536;

/**
 * Counts the requests of each client in windows of a second, which are the same for all clients.
 *
 * Its memory is bounded: a window ends with all its counts, and it counts a bounded number of clients. Somebody with
 * more addresses than that is not slowed down by the limit of each.
 */
export class RequestRate {
  readonly #most: number;
  readonly #sweeper: Sweeper;
  readonly #counts = new Map<string, number>();
  #endsAt = 0;

  /** @param most The most requests of one client in a window. Infinity counts nothing. */
  constructor(most: number, sweeper: Sweeper) {
    this.#most = most;
    this.#sweeper = sweeper;
    sweeper.add((time) => this.#sweep(time));
  }

  /** The number of clients that the present window counts. */
  get size(): number {
    return this.#counts.size;
  }

  /** Counts a request. Returns the time in milliseconds until its client may send more; 0 if it may send this one. */
  count(client: string | undefined): number {
    if (client === undefined || this.#most === Infinity) return 0;
    const time = now();
    this.#sweep(time);
    if (this.#counts.size === 0) this.#endsAt = time + WINDOW_MS;
    this.#sweeper.start();
    const count = (this.#counts.get(client) ?? 0) + 1;
    if (count > 1 || this.#counts.size < MAX_CLIENTS) this.#counts.set(client, count);
    return count > this.#most ? this.#endsAt - time : 0;
  }

  /** Ends the window if it is over at this time, by the hub's clock. Returns whether it counts anybody. */
  #sweep(time: number): boolean {
    if (time >= this.#endsAt) this.#counts.clear();
    return this.#counts.size > 0;
  }
}

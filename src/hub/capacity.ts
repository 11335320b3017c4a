import { now } from "../core/clock.ts";
import { CometError } from "../core/errors.ts";

/** How long a client that finds no place is asked to wait, in milliseconds. */
const RETRY_WHEN_FULL_MS = 5000;

/**
 * The places for connections in a hub. A request takes one when it is admitted, and keeps it until its connection is over, so that
 * `maxConnections` holds however long something waits in between. A hub that shuts down has none left.
 */
export class Capacity {
  readonly #max: number;
  #taken = 0;
  /** When the shutdown is over, by the hub's clock. */
  #closedUntil: number | undefined;

  /** @param max The number of places. */
  constructor(max: number) {
    this.#max = max;
  }

  get isClosed(): boolean {
    return this.#closedUntil !== undefined;
  }

  /** How long a refused client is asked to wait, in milliseconds. */
  get retryAfterMs(): number {
    return this.#closedUntil === undefined ? RETRY_WHEN_FULL_MS : Math.max(0, this.#closedUntil - now());
  }

  /** @throws {CometError} `ERR_CLOSED` if the hub shuts down, `ERR_LIMIT` if all places are taken. */
  assertRoom(): void {
    if (this.isClosed) throw new CometError("ERR_CLOSED", "This server is going down.");
    if (this.#taken >= this.#max) throw new CometError("ERR_LIMIT", "There are too many connections.");
  }

  /** Takes a place. @throws {CometError} as {@link assertRoom}. */
  take(): void {
    this.assertRoom();
    this.#taken += 1;
  }

  /** Frees a place that was taken. */
  free(): void {
    this.#taken -= 1;
  }

  /** From now on there are no places. Clients are asked to return after this many milliseconds. */
  close(ms: number): void {
    this.#closedUntil = now() + ms;
  }
}

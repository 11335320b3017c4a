import { now } from "../core/clock.ts";
import { CometError } from "../core/errors.ts";

/** The retry delay in milliseconds of a client that finds no place. */
const RETRY_WHEN_FULL_MS = 5000;

/**
 * The places for connections in a hub, at most `maxConnections`.
 *
 * A request takes a place when it is admitted and keeps it until its connection is over, so the limit holds however
 * long something waits in between. A hub that shuts down has no places.
 *
 * Invariant: each `take` has exactly one `free`. A place that is never freed lowers the limit for the life of the hub.
 */
export class Capacity {
  readonly #max: number;
  #taken = 0;
  /** The time at which the shutdown is over, by the hub's clock. */
  #closedUntil: number | undefined;

  /** @param max The number of places. */
  constructor(max: number) {
    this.#max = max;
  }

  /** Whether the hub is shutting down. */
  get isClosed(): boolean {
    return this.#closedUntil !== undefined;
  }

  /** The retry delay for rejected clients, in milliseconds: until the shutdown is over, or 5 s. */
  get retryAfterMs(): number {
    return this.#closedUntil === undefined ? RETRY_WHEN_FULL_MS : Math.max(0, this.#closedUntil - now());
  }

  /**
   * Throws unless a place is free.
   *
   * @throws {CometError} `ERR_CLOSED` if the hub is shutting down, `ERR_LIMIT` if all places are taken.
   */
  assertRoom(): void {
    if (this.isClosed) throw new CometError("ERR_CLOSED", "The server is shutting down.");
    if (this.#taken >= this.#max) throw new CometError("ERR_LIMIT", "There are too many connections.");
  }

  /** Takes a place. @throws {CometError} The codes of {@link assertRoom}. */
  take(): void {
    this.assertRoom();
    this.#taken += 1;
  }

  /** Frees a place that was taken. */
  free(): void {
    this.#taken -= 1;
  }

  /** Closes all places. Rejected clients are asked to retry after `ms` milliseconds. */
  close(ms: number): void {
    this.#closedUntil = now() + ms;
  }
}

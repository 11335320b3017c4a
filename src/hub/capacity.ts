import { now } from "../core/clock.ts";
import { CometError } from "../core/errors.ts";
import { Queue } from "../core/queue.ts";

/** The retry delay in milliseconds of a client that finds no place. */
const RETRY_WHEN_FULL_MS = 5000;
/**
 * The time in milliseconds for which a place stays reserved for a client that the hub has asked to reconnect at once,
 * and for which the client must have held it.
 */
const RESERVED_MS = 5000;

/** The limits of connections. Infinity where there is none. */
export interface CapacityLimits {
  readonly maxConnections: number;
  readonly maxConnectionsPerIdentity: number;
  readonly maxConnectionsPerAddress: number;
}

/** A client that wants a place. */
export interface Claim {
  /** The keys under which its connections are counted, where they are. */
  readonly identity: string | undefined;
  readonly address: string | undefined;
  /** Whether the client resumes, so that it may have a reserved place. */
  readonly isReturning: boolean;
}

/** A place that is taken. */
export interface Place {
  /**
   * Frees the place. Further calls do nothing.
   *
   * @param returns Whether the hub has asked the client to reconnect at once, so that the place may be reserved.
   */
  free(returns: boolean): void;
}

/**
 * The places for connections in a hub, at most `maxConnections`, and of them as many for each identity and address as
 * the limits allow.
 *
 * A request takes a place when it is admitted and keeps it until its connection is over, so the limit holds however
 * long something waits in between. A hub that shuts down has no places. Where the hub is full, the place of a recycled
 * client stays reserved for a client that resumes: a newcomer does not get it in the meantime. A place that was held
 * for less time than that is not reserved, or a stranger could fill the hub by short polls.
 *
 * Invariants: each place that is taken is freed, or the limit is lower for the life of the hub. Taken and reserved
 * places together are at most `maxConnections`. A count exists only while it is above 0.
 */
export class Capacity {
  readonly #limits: CapacityLimits;
  readonly #byIdentity = new Map<string, number>();
  readonly #byAddress = new Map<string, number>();
  /** The times at which reservations end, by the hub's clock. */
  readonly #reserved = new Queue<number>();
  #taken = 0;
  /** The time at which the shutdown is over, by the hub's clock. */
  #closedUntil: number | undefined;

  constructor(limits: CapacityLimits) {
    this.#limits = limits;
  }

  /** Whether the hub is shutting down. */
  get isClosed(): boolean {
    return this.#closedUntil !== undefined;
  }

  /** The retry delay for rejected clients, in milliseconds: until the shutdown is over, or 5 s. */
  get retryAfterMs(): number {
    return this.#closedUntil === undefined ? RETRY_WHEN_FULL_MS : Math.max(0, this.#closedUntil - now());
  }

  /** The number of identities and addresses that are counted. */
  get clients(): number {
    return this.#byIdentity.size + this.#byAddress.size;
  }

  /**
   * Throws unless there is a place for a client.
   *
   * @throws {CometError} `ERR_CLOSED` if the hub is shutting down, `ERR_LIMIT` if all places are taken or reserved,
   *   `ERR_RATE` if the client has as many as it may.
   */
  assertRoom({ identity, address, isReturning }: Claim): void {
    if (this.isClosed) throw new CometError("ERR_CLOSED", "The server is shutting down.");
    const { maxConnections, maxConnectionsPerIdentity, maxConnectionsPerAddress } = this.#limits;
    this.#endReservations();
    if (this.#taken + (isReturning ? 0 : this.#reserved.size) >= maxConnections) {
      throw new CometError("ERR_LIMIT", "There are too many connections.");
    }
    assertCount(this.#byAddress, address, maxConnectionsPerAddress, "from this address");
    assertCount(this.#byIdentity, identity, maxConnectionsPerIdentity, "with this identity");
  }

  /** Takes a place. @throws {CometError} The codes of {@link assertRoom}. */
  take(claim: Claim): Place {
    this.assertRoom(claim);
    const takesReserved = claim.isReturning && this.#reserved.size > 0;
    if (takesReserved) this.#reserved.shift();
    // Clients are counted only where there is a limit.
    const identity = this.#limits.maxConnectionsPerIdentity === Infinity ? undefined : claim.identity;
    const address = this.#limits.maxConnectionsPerAddress === Infinity ? undefined : claim.address;
    this.#count(identity, address, 1);
    return new TakenPlace(this, identity, address, takesReserved);
  }

  /** @internal Takes a place back, and reserves it for a moment if it should be. */
  _takeBack({ identity, address }: TakenPlace, isReserved: boolean): void {
    this.#count(identity, address, -1);
    if (isReserved) this.#reserved.push(now() + RESERVED_MS);
  }

  /** Closes all places. Rejected clients are asked to retry after `ms` milliseconds. */
  close(ms: number): void {
    this.#closedUntil = now() + ms;
    this.#reserved.clear();
  }

  #count(identity: string | undefined, address: string | undefined, by: 1 | -1): void {
    this.#taken += by;
    change(this.#byIdentity, identity, by);
    change(this.#byAddress, address, by);
  }

  #endReservations(): void {
    if (this.#reserved.size === 0) return;
    const time = now();
    while (this.#reserved.size > 0 && this.#reserved.peek() <= time) this.#reserved.shift();
  }
}

/** A place, without a closure: every connection has one. */
class TakenPlace implements Place {
  /** The keys under which its connection is counted. */
  readonly identity: string | undefined;
  readonly address: string | undefined;
  readonly #takenAt: number;
  #capacity: Capacity | undefined;

  /** @param wasReserved Whether the client had held a place before, which was reserved for it. */
  constructor(capacity: Capacity, identity: string | undefined, address: string | undefined, wasReserved: boolean) {
    this.#capacity = capacity;
    this.identity = identity;
    this.address = address;
    this.#takenAt = wasReserved ? -Infinity : now();
  }

  free(returns: boolean): void {
    const capacity = this.#capacity;
    this.#capacity = undefined;
    capacity?._takeBack(this, returns && now() - this.#takenAt >= RESERVED_MS);
  }
}

function assertCount(counts: ReadonlyMap<string, number>, key: string | undefined, most: number, whose: string): void {
  if (key === undefined || (counts.get(key) ?? 0) < most) return;
  throw new CometError("ERR_RATE", `There are too many connections ${whose}: at most ${most} are allowed.`);
}

function change(counts: Map<string, number>, key: string | undefined, by: 1 | -1): void {
  if (key === undefined) return;
  const count = (counts.get(key) ?? 0) + by;
  if (count === 0) counts.delete(key);
  else counts.set(key, count);
}

import { CometError, describe } from "../../core/errors.ts";
import { randomName } from "../../core/random-name.ts";
import type {
  BrokerMessage,
  BrokerPublication,
  FiniteState,
  History,
  LeaseAnswer,
  LeaseRequest,
  Notice,
  TopicBounds,
} from "../../log/broker.ts";
import type { Position } from "../../log/position.ts";

/** The size of one answer to `read`, so that it reads in pages as every other broker does. */
const PAGE_ENTRIES = 500;
const PAGE_BYTES = 262_144;

/** The least time in milliseconds for which a topic is kept that ends, and has not ended. */
const UNENDED_MS = 86_400_000;

interface HeldMessage {
  readonly message: BrokerMessage;
  readonly bytes: number;
}

/** The life of a topic that ends. Times are those of the broker's clock. */
interface MemoryLife {
  ttlMs: number;
  readonly begunAfter: number;
  endedAt: number | undefined;
  lease: MemoryLease | undefined;
}

/** The lease of a topic's producer. */
interface MemoryLease {
  readonly fence: string;
  until: number;
  /** The number of messages that were published with it. */
  sent: number;
}

/**
 * A topic, as all processes see it. Its messages have the offsets 1, 2, 3 ..., which continue from epoch to epoch.
 *
 * It does what the contract of `src/log/broker.ts` says of one topic. `now` is the time of the broker's clock.
 */
export class MemoryTopic {
  readonly #name: string;
  readonly #notify: (notice: Notice) => void;
  readonly #byMessageId = new Map<string, BrokerMessage>();
  #epoch = randomName(8);
  #life: MemoryLife | undefined;
  #touchedAt = 0;
  #maxAgeMs = 0;
  /** The messages after `#floor`, with `#empty` unused elements before them. */
  #held: (HeldMessage | undefined)[] = [];
  #empty = 0;
  #floor = 0;
  /** The newest offset before it was last deleted. */
  #base = 0;
  #bytes = 0;

  /** @param notify Called with each notice. */
  constructor(name: string, notify: (notice: Notice) => void) {
    this.#name = name;
    this.#notify = notify;
  }

  get #head(): number {
    return this.#floor + this.#held.length - this.#empty;
  }

  /** Notes that it is used. */
  touch(now: number): void {
    this.#touchedAt = now;
  }

  /** Whether nothing of it needs to be kept. */
  isUnused(now: number): boolean {
    const keptMs = this.#life === undefined ? this.#maxAgeMs : Math.max(UNENDED_MS, this.#life.ttlMs);
    return now - this.#touchedAt > keptMs;
  }

  /**
   * Adds a message, or finds the first one with the same id.
   *
   * @throws {CometError} `ERR_ENDED`, `ERR_PRODUCER_LOST`.
   */
  publish({ bytes, fence, order, ...publication }: BrokerPublication, bounds: TopicBounds, now: number): Position {
    this.#begin(bounds, now);
    const { ended, messageId } = publication;
    const first = messageId === undefined ? undefined : this.#byMessageId.get(messageId);
    if (first !== undefined) return { epoch: this.#epoch, offset: first.offset };
    const life = this.#life;
    if (life?.endedAt !== undefined) throw new CometError("ERR_ENDED", `The topic ${describe(this.#name)} has ended.`);
    if (fence !== undefined) {
      const lease = this.#assertLease(fence, now, order);
      if (order !== undefined) lease.sent += 1;
    }
    if (life !== undefined && ended !== undefined) {
      life.endedAt = now;
      life.lease = undefined;
    }
    const message: BrokerMessage = { ...publication, offset: this.#head + 1, at: now };
    this.#held.push({ message, bytes });
    this.#bytes += bytes;
    if (messageId !== undefined) this.#byMessageId.set(messageId, message);
    this.#trim(bounds, now);
    this.#notify({ epoch: this.#epoch, previous: message.offset - 1, message });
    return { epoch: this.#epoch, offset: message.offset };
  }

  /** Reads a page. Messages that are too old are left out, though they may be held until the next message is added. */
  history(after: number, { maxAgeMs }: TopicBounds, now: number): History {
    const finite = this.#stateAt(now);
    let floor = finite?.isExpired === true ? this.#head : this.#floor;
    const oldest = finite === undefined ? now - maxAgeMs : -Infinity;
    while (floor < this.#head && this.#at(floor + 1).message.at < oldest) floor += 1;
    const messages: BrokerMessage[] = [];
    let room = PAGE_BYTES;
    for (let offset = Math.max(after, floor) + 1; offset <= this.#head && messages.length < PAGE_ENTRIES; offset += 1) {
      const { message, bytes } = this.#at(offset);
      room -= bytes;
      if (room < 0 && messages.length > 0) break;
      messages.push(message);
    }
    return { epoch: this.#epoch, floor, head: this.#head, messages, now, finite };
  }

  /** Begins another, empty epoch, unless it has begun already. */
  renew(epoch: string): void {
    if (epoch !== this.#epoch) return;
    if (this.#life?.endedAt === undefined) this.#clear();
    else this.delete();
  }

  acquire({ fence, leaseMs, restart }: LeaseRequest, bounds: TopicBounds, now: number): LeaseAnswer {
    const lease = this.#life?.lease;
    if (lease?.fence === fence && lease.until > now) return "acquired";
    // A lapsed lease is held until `settle` has ended the topic, unless that is to begin anew.
    if (lease !== undefined && (!restart || lease.until > now)) return "held";
    if (restart) this.delete();
    this.#begin(bounds, now);
    const life = this.#life as MemoryLife;
    if (life.endedAt !== undefined) return "ended";
    life.lease = { fence, until: now + leaseMs, sent: 0 };
    return "acquired";
  }

  /** @throws {CometError} `ERR_PRODUCER_LOST`. */
  renewLease(fence: string, leaseMs: number, now: number): void {
    this.#assertLease(fence, now).until = now + leaseMs;
  }

  settle(end: BrokerPublication, bounds: TopicBounds, now: number): number | undefined {
    const lease = this.#life?.lease;
    if (lease === undefined) return undefined;
    if (lease.until > now) return lease.until - now;
    this.publish(end, bounds, now);
    return undefined;
  }

  /** Removes all that it has. It begins anew with the next message or lease. */
  delete(): Position | undefined {
    const newest = this.#head === 0 ? undefined : { epoch: this.#epoch, offset: this.#head };
    this.#clear();
    this.#byMessageId.clear();
    this.#base = this.#head;
    this.#life = undefined;
    return newest;
  }

  #clear(): void {
    this.#floor = this.#head;
    this.#held = [];
    this.#empty = this.#bytes = 0;
    this.#epoch = randomName(8);
  }

  /** Prepares it for a message or a lease. */
  #begin(bounds: TopicBounds, now: number): void {
    if (this.#stateAt(now)?.isExpired === true) this.delete();
    const { ttlMs, maxAgeMs } = bounds;
    if (ttlMs !== undefined) {
      this.#life ??= { ttlMs, begunAfter: this.#base, endedAt: undefined, lease: undefined };
      if (this.#life.endedAt === undefined) this.#life.ttlMs = ttlMs;
    }
    this.#maxAgeMs = maxAgeMs;
    this.#trim(bounds, now);
  }

  /**
   * Returns the lease in force.
   *
   * @param order The number of messages that must have been published with it, if given.
   * @throws {CometError} `ERR_PRODUCER_LOST` if it is another one, or none.
   */
  #assertLease(fence: string, now: number, order?: number): MemoryLease {
    const lease = this.#life?.lease;
    if (lease?.fence === fence && lease.until > now && lease.sent === (order ?? lease.sent)) return lease;
    throw new CometError("ERR_PRODUCER_LOST", `This producer of the topic ${describe(this.#name)} has lost its lease.`);
  }

  #stateAt(now: number): FiniteState | undefined {
    if (this.#life === undefined) return undefined;
    const { ttlMs, begunAfter, endedAt } = this.#life;
    return { ttlMs, begunAfter, isExpired: endedAt !== undefined && now - endedAt > ttlMs };
  }

  #at(offset: number): HeldMessage {
    return this.#held[this.#empty + offset - this.#floor - 1] as HeldMessage;
  }

  #trim({ maxEntries, maxBytes, maxAgeMs, ttlMs = maxAgeMs }: TopicBounds, now: number): void {
    // The end is no message.
    const room = this.#life?.endedAt === undefined ? maxEntries : maxEntries + 1;
    const oldestAt = this.#life === undefined ? now - maxAgeMs : -Infinity;
    while (this.#head > this.#floor) {
      const { message, bytes } = this.#at(this.#floor + 1);
      const size = this.#head - this.#floor;
      const isOver = size > room || (this.#bytes > maxBytes && size > 1 + room - maxEntries);
      if (!isOver && message.at >= oldestAt) break;
      this.#held[this.#empty] = undefined;
      this.#empty += 1;
      this.#floor += 1;
      this.#bytes -= bytes;
    }
    if (this.#empty * 2 > this.#held.length) {
      this.#held.splice(0, this.#empty);
      this.#empty = 0;
    }
    // An id is remembered for this long, even if its message is trimmed before.
    for (const [messageId, { at }] of this.#byMessageId) {
      if (now - at <= ttlMs) break;
      this.#byMessageId.delete(messageId);
    }
  }
}

import type { BrokerPublication, FiniteTopics, LeaseAnswer, LeaseRequest, TopicBounds } from "../../log/broker.ts";
import type { Position } from "../../log/position.ts";
import { EndlessTopics } from "./endless-topics.ts";
import { FiniteEntries, topicError, type FiniteParts } from "./finite-entries.ts";
import { purge } from "./jetstream-api.ts";
import { encodeRenewal, END_RECORD, readLeaseRecord, renewalHeaders, type LeaseRecord } from "./lease-record.ts";
import type { Lease, Life } from "./life.ts";
import type { NatsSettings } from "./nats-broker-options.ts";
import { isOvertaken, storeEntry, type Stored } from "./store-entry.ts";
import { TopicQueues } from "./topic-queues.ts";
import { isExpired, type TopicState } from "./topic-state.ts";

/** The bytes of a waiting call besides its data, approximately. */
const CALL_BYTES = 256;

/** A lease that this process has acquired. */
interface HeldLease {
  readonly fence: string;
  /** The time at which it lapses, by `performance.now`, at the latest. */
  readonly until: number;
}

/**
 * Topics that end, and the leases of their producers.
 *
 * A topic's own subject is the place of truth: its newest entry states the life, the lease and the end. Everything is stored by
 * compare-and-set on that entry, so of several processes one wins and the others read the state again. That takes one round trip of the
 * server for each message, one message of a topic and process at a time.
 */
export class NatsFinite implements FiniteTopics {
  readonly maxKeptMs: number;
  readonly entries: FiniteEntries;
  readonly #parts: FiniteParts;
  readonly #queues: TopicQueues;
  readonly #endless = new EndlessTopics();
  readonly #held = new Map<string, HeldLease>();

  constructor(settings: NatsSettings, parts: FiniteParts) {
    this.maxKeptMs = settings.maxAgeMs;
    this.entries = new FiniteEntries(parts);
    this.#parts = parts;
    this.#queues = new TopicQueues(settings.timeoutMs, settings.maxPendingBytes);
  }

  /** Whether a message must be published by `publish` of this class. */
  concerns(topic: string, { fence, ended }: BrokerPublication, { ttlMs }: TopicBounds): boolean {
    const isOfFinite = ttlMs !== undefined || fence !== undefined || ended !== undefined;
    return isOfFinite || this.entries.has(topic) || this.#queues.has(topic);
  }

  /**
   * Sends a look at a topic that does not end as far as this process knows. Called just before a message is sent to it.
   *
   * @returns Undefined if no look is due; otherwise resolves to whether the topic may have ended.
   */
  look(topic: string): Promise<boolean> | undefined {
    return this.#endless.look(topic, this.#parts.open(), this.#parts.subjects.leaseOf(topic));
  }

  /**
   * Checks a message that was stored in a topic that may have ended. If it had, readers leave it out, and it is published as `publish`
   * does, which usually rejects it. It is not removed: nats-server 2.9 does not find the newest message of a subject after such a removal.
   */
  async confirm(
    topic: string,
    stored: Stored,
    message: BrokerPublication,
    bounds: TopicBounds,
  ): Promise<Position | undefined> {
    const { end } = await this.entries.peek(topic);
    if (end === undefined || end.offset > stored.offset) return undefined;
    return await this.publish(topic, message, bounds);
  }

  publish(topic: string, message: BrokerPublication, bounds: TopicBounds): Promise<Position> {
    return this.#inTurn(topic, message.bytes, async (attempt) => {
      const state = await this.#begun(topic, attempt);
      if (state === undefined) return undefined;
      const code = await this.#refusal(topic, state, message);
      if (code !== undefined) {
        // Only a state that was read just now is a reason to refuse.
        if (!attempt.isFresh) {
          attempt.isFresh = true;
          return undefined;
        }
        const first = await this.entries.findDuplicate(topic, state, message);
        const isFirst = first !== undefined && first.offset <= (state.end?.offset ?? state.newest);
        if (!isFirst) throw this.#lost(topic, message.fence, code);
        return this.#position(first);
      }
      const stored = await this.entries.store(topic, state, message, {
        kind: "message",
        life: lifeAfter(state, message, bounds),
      });
      if (stored === undefined) return undefined;
      if (message.ended !== undefined) await this.#recordEnd(topic);
      return await this.#position(stored);
    });
  }

  acquire(topic: string, request: LeaseRequest, bounds: TopicBounds): Promise<LeaseAnswer> {
    const { fence, leaseMs, restart } = request;
    return this.#inTurn(topic, 0, async () => {
      const state = await this.entries.state(topic, true);
      const { clock } = this.#parts.open();
      const isOver = isExpired(state, clock.now());
      const lease = state.life?.lease;
      if (lease !== undefined) {
        const left = await this.#left(topic, lease);
        if (lease.fence === fence && left > 0) {
          if (this.#held.get(topic)?.fence !== fence) this.#held.set(topic, { fence, until: performance.now() + left });
          return "acquired";
        }
        if (!restart || left > 0) return "held";
      }
      if (state.end !== undefined && !isOver && !restart) return "ended";
      const sentAt = performance.now();
      const isEmpty = state.newest === 0 || (state.life === undefined && state.head === state.base);
      const beginsLife = restart || isOver || isEmpty;
      const ttlMs = bounds.ttlMs ?? state.life?.ttlMs ?? this.maxKeptMs;
      const life: Life = { ttlMs, base: state.base, lease: { fence, leaseMs, at: clock.now(), sent: 0 } };
      const stored = await this.entries.markLease(topic, state, life, beginsLife);
      if (stored === undefined) return undefined;
      if (beginsLife && state.newest > 0) this.entries.removeBefore(topic, stored.offset).catch(() => undefined);
      this.#held.set(topic, { fence, until: sentAt + leaseMs });
      return "acquired";
    });
  }

  async renewLease(topic: string, fence: string, leaseMs: number): Promise<void> {
    const end = performance.now() + this.#parts.open().settings.timeoutMs;
    for (;;) {
      const state = await this.entries.peek(topic);
      const lease = state.life?.lease;
      if (lease?.fence !== fence || state.life === undefined) throw this.#lost(topic, fence);
      const record = await this.#record(topic);
      const held = this.#held.get(topic);
      const left = held?.fence === fence ? held.until - performance.now() : this.#leftOf(lease, record);
      if (left <= 0) throw this.#lost(topic, fence);
      const sentAt = performance.now();
      const { ttlMs, base } = state.life;
      if (
        await this.#storeRenewal(
          topic,
          encodeRenewal({ fence, leaseMs, ttlMs, base, sent: lease.sent }),
          record?.offset ?? 0,
        )
      ) {
        this.#held.set(topic, { fence, until: sentAt + leaseMs });
        return;
      }
      if (performance.now() > end) throw topicError("ERR_BROKER", topic);
    }
  }

  settle(topic: string, end: BrokerPublication, bounds: TopicBounds): Promise<number | undefined> {
    return this.#inTurn(topic, end.bytes, async () => {
      const state = await this.entries.state(topic, true);
      const lease = state.life?.lease;
      if (lease === undefined) return { left: undefined };
      const left = await this.#left(topic, lease);
      if (left > 0) return { left };
      const life = lifeAfter(state, end, bounds);
      const stored = await this.entries.store(topic, state, end, { kind: "message", life });
      if (stored === undefined) return undefined;
      await this.#recordEnd(topic);
      return { left: undefined };
    }).then(({ left }) => left);
  }

  delete(topic: string): Promise<Position | undefined> {
    return this.#inTurn(topic, 0, async () => {
      const state = await this.entries.state(topic, true);
      const isEmpty = state.head === 0 || state.head === state.base;
      if (state.life === undefined && isEmpty) return { position: undefined };
      const stored = await this.entries.markDeleted(topic, state);
      if (stored === undefined) return undefined;
      this.#held.delete(topic);
      await this.entries.removeBefore(topic, stored.offset);
      const { link, settings, epoch } = this.#parts.open();
      await purge(link, settings, { filter: this.#parts.subjects.leaseOf(topic) });
      await epoch.acknowledge(stored.offset);
      return { position: isEmpty ? undefined : epoch.positionOf(state.head) };
    }).then(({ position }) => position);
  }

  /** Runs an operation in the turn of its topic, again and again while other processes overtake it. */
  async #inTurn<R>(
    topic: string,
    bytes: number,
    operate: (attempt: { isFresh: boolean }) => Promise<R | undefined>,
  ): Promise<R> {
    this.#parts.open();
    return await this.#queues.run(topic, bytes + CALL_BYTES, async (until) => {
      const attempt = { isFresh: false };
      for (;;) {
        const result = await operate(attempt);
        if (result !== undefined) return result;
        if (performance.now() > until) throw topicError("ERR_BROKER", topic);
      }
    });
  }

  /** The state of a topic for a message. A topic that has expired begins anew. Resolves to undefined if another process has overtaken. */
  async #begun(topic: string, { isFresh }: { isFresh: boolean }): Promise<TopicState | undefined> {
    const state = await this.entries.state(topic, isFresh);
    if (!isExpired(state, this.#parts.open().clock.now())) return state;
    const stored = await this.entries.markDeleted(topic, state);
    if (stored === undefined) return undefined;
    this.entries.removeBefore(topic, stored.offset).catch(() => undefined);
    return { newest: stored.offset, head: stored.offset, life: undefined, end: undefined, base: stored.offset };
  }

  async #refusal(
    topic: string,
    state: TopicState,
    { fence, order }: BrokerPublication,
  ): Promise<"ERR_ENDED" | "ERR_PRODUCER_LOST" | undefined> {
    if (state.end !== undefined) return "ERR_ENDED";
    if (fence === undefined) return undefined;
    const lease = state.life?.lease;
    if (lease?.fence !== fence || lease.sent !== (order ?? lease.sent)) return "ERR_PRODUCER_LOST";
    const held = this.#held.get(topic);
    const left = held?.fence === fence ? held.until - performance.now() : await this.#left(topic, lease);
    return left > 0 ? undefined : "ERR_PRODUCER_LOST";
  }

  async #position({ offset, isDuplicate }: Stored): Promise<Position> {
    const { epoch } = this.#parts.open();
    return isDuplicate ? epoch.positionOf(offset) : await epoch.acknowledge(offset);
  }

  async #left(topic: string, lease: Lease): Promise<number> {
    return this.#leftOf(lease, await this.#record(topic));
  }

  /** The time in milliseconds until a lease lapses, unless it is renewed. */
  #leftOf({ fence, leaseMs, at }: Lease, record: LeaseRecord | undefined): number {
    const now = this.#parts.open().clock.now();
    const renewal = record?.renewal;
    const isRenewed = record !== undefined && renewal?.fence === fence;
    return isRenewed
      ? Math.min(record.at + renewal.leaseMs - now, renewal.leaseMs)
      : Math.min(at + leaseMs - now, leaseMs);
  }

  #record(topic: string): Promise<LeaseRecord | undefined> {
    return readLeaseRecord(this.#parts.open(), this.#parts.subjects.leaseOf(topic));
  }

  /** Leaves a record beside a topic that has ended, for processes that do not know that it ends. */
  async #recordEnd(topic: string): Promise<void> {
    this.#held.delete(topic);
    const { link } = this.#parts.open();
    await storeEntry(link, this.#parts.subjects.leaseOf(topic), END_RECORD, undefined).catch(() => undefined);
  }

  /** Stores a renewal, and removes the ones before. Resolves to false if there is a newer one. */
  async #storeRenewal(topic: string, renewal: string, expected: number): Promise<boolean> {
    const subject = this.#parts.subjects.leaseOf(topic);
    const { link, settings } = this.#parts.open();
    try {
      await storeEntry(link, subject, renewal, renewalHeaders(expected));
    } catch (error) {
      if (isOvertaken(error)) return false;
      throw error;
    }
    if (expected > 0) purge(link, settings, { filter: subject, keep: 1 }).catch(() => undefined);
    return true;
  }

  /** The error of a refused call. The lease that it names is no longer in force. */
  #lost(
    topic: string,
    fence: string | undefined,
    code: "ERR_ENDED" | "ERR_PRODUCER_LOST" = "ERR_PRODUCER_LOST",
  ): Error {
    if (this.#held.get(topic)?.fence === fence) this.#held.delete(topic);
    return topicError(code, topic);
  }
}

/** The life of a topic after a message. */
function lifeAfter(state: TopicState, { ended, order }: BrokerPublication, { ttlMs }: TopicBounds): Life | undefined {
  const life = state.life ?? (ttlMs === undefined ? undefined : { ttlMs, base: state.base, lease: undefined });
  if (life === undefined) return undefined;
  const { lease, base } = life;
  const next = lease === undefined || order === undefined ? lease : { ...lease, sent: order + 1 };
  return { ttlMs: ttlMs ?? life.ttlMs, base, lease: ended === undefined ? next : undefined };
}

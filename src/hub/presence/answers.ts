import { now } from "../../core/clock.ts";
import { unrefTimeout, type Timer } from "../../core/timers.ts";
import type { Roll } from "./rolls.ts";
import type { Rolls } from "./rolls.ts";
import { partsInSignals, type Part, type TopicState } from "./signals.ts";

/** The time in milliseconds during which changes are coalesced before they are sent. */
const COALESCE_MS = 100;
/** The number of topics that this process answers for. Further topics are not answered. */
const MAX_LEASES = 100_000;

/** Another process's interest in a topic. */
interface Lease {
  until: number;
  /** Whether the next answer is the topic's whole state. */
  isWhole: boolean;
  /** The identities whose number has changed since the last answer. */
  readonly changed: Set<string>;
}

/**
 * The answers of this process: it sends its own subscribers of the topics that other processes want, whole at first and
 * then as they change.
 *
 * Nothing is sent for a topic without a lease. Counts in an answer are absolute, so that a lost or late signal does no
 * lasting harm; keep them so. A roll is kept exactly while its topic has a lease here or is asked for by `Questions`.
 */
export class Answers {
  readonly #rolls: Rolls;
  readonly #send: (parts: readonly Part[]) => void;
  readonly #leases = new Map<string, Lease>();
  /** The topics with something to send. */
  readonly #due = new Set<string>();
  #sentAt = -Infinity;
  #timer: Timer | undefined;

  /** @param send Sends parts of rolls to the other processes. */
  constructor(rolls: Rolls, send: (parts: readonly Part[]) => void) {
    this.#rolls = rolls;
    this.#send = send;
  }

  get size(): number {
    return this.#leases.size;
  }

  has(topic: string): boolean {
    return this.#leases.has(topic);
  }

  /** Answers for topics until a time of the hub's clock: with the whole state if a topic is new, or wanted afresh. */
  lease(topics: readonly string[], until: number, afresh: boolean): void {
    const added: string[] = [];
    for (const topic of topics) {
      const lease = this.#leases.get(topic);
      if (lease !== undefined) {
        lease.until = Math.max(lease.until, until);
        if (afresh) lease.isWhole = true;
      } else if (this.#leases.size < MAX_LEASES) {
        this.#leases.set(topic, { until, isWhole: true, changed: new Set() });
        added.push(topic);
      } else continue;
      if (afresh || lease === undefined) this.#due.add(topic);
    }
    if (added.length > 0) this.#rolls.keep(added);
    this.#scheduleSend();
  }

  /** Notes that the number of an identity's subscribers, or of anonymous ones, has changed. */
  changed(topic: string, identity: string | undefined): void {
    const lease = this.#leases.get(topic);
    if (lease === undefined) return;
    if (identity !== undefined && !lease.isWhole) lease.changed.add(identity);
    this.#due.add(topic);
    this.#scheduleSend();
  }

  /** Ends the leases that have expired, and returns their topics. */
  expire(): string[] {
    const time = now();
    const expired: string[] = [];
    for (const [topic, { until }] of this.#leases) if (time > until) expired.push(topic);
    for (const topic of expired) {
      this.#leases.delete(topic);
      this.#due.delete(topic);
    }
    return expired;
  }

  /** Ends all leases. Nothing is sent any more. */
  end(): void {
    clearTimeout(this.#timer);
    this.#leases.clear();
    this.#due.clear();
  }

  /** Sends the first change at once, and coalesces further changes that follow soon after it. */
  #scheduleSend(): void {
    if (this.#timer !== undefined || this.#due.size === 0) return;
    this.#timer = unrefTimeout(
      () => {
        this.#timer = undefined;
        this.#sentAt = now();
        for (const parts of partsInSignals(this.#states())) this.#send(parts);
      },
      Math.max(0, this.#sentAt + COALESCE_MS - now()),
    );
  }

  *#states(): Generator<TopicState> {
    for (const topic of this.#due) {
      const lease = this.#leases.get(topic) as Lease;
      const roll = this.#rolls.get(topic) as Roll;
      const changed = Array.from(lease.changed, (identity) => [identity, roll.countOf(identity)] as const);
      const { isWhole } = lease;
      lease.isWhole = false;
      lease.changed.clear();
      yield { topic, isWhole, anonymous: roll.anonymous, identities: isWhole ? roll.identities : changed };
    }
    this.#due.clear();
  }
}

import { now } from "../../core/clock.ts";
import { CometError, describe } from "../../core/errors.ts";
import { randomName } from "../../core/random-name.ts";
import { unrefTimeout, type Timer } from "../../core/timers.ts";
import type { BrokerPublication, FiniteTopics, LeaseAnswer, TopicBounds } from "../../log/broker.ts";

/** The number of renewals in the time of a lease, so that two may fail. */
const RENEWALS = 3;
/** The least time in milliseconds until a failed request is repeated. */
const RETRY_MS = 250;

/** The lease, and the order under it, of a message. The end of a topic has no order: it may follow a message that is missing. */
export type LeaseMark = Pick<BrokerPublication, "fence" | "order">;

/**
 * The right of one producer to publish a topic, granted by the broker for a time and renewed until it is released.
 *
 * Times are those of this process's clock, from before each request: the lease is over here no later than at the broker.
 */
export class Lease {
  /** The name of the lease. */
  readonly #fence = randomName(20);
  readonly #finite: FiniteTopics;
  readonly #topic: string;
  readonly #leaseMs: number;
  #until = -Infinity;
  #sent = 0;
  #timer: Timer | undefined;
  #isReleased = false;
  #onLost: (error: CometError) => void = () => undefined;

  constructor(finite: FiniteTopics, topic: string, leaseMs: number) {
    this.#finite = finite;
    this.#topic = topic;
    this.#leaseMs = leaseMs;
  }

  /** Whether it is in force, as far as this process knows. */
  get isInForce(): boolean {
    return now() < this.#until;
  }

  /** The mark of the topic's end. */
  get mark(): LeaseMark {
    return { fence: this.#fence };
  }

  /** Returns the mark of the next message, which the caller sends at once. */
  next(): LeaseMark {
    const order = this.#sent;
    this.#sent += 1;
    return { fence: this.#fence, order };
  }

  /** The error of a producer that has lost its lease. */
  get loss(): CometError {
    return new CometError(
      "ERR_PRODUCER_LOST",
      `The producer of the topic ${describe(this.#topic)} has lost its lease.`,
    );
  }

  /**
   * Acquires the lease, and renews it from then on.
   *
   * A request whose answer is lost is repeated, for the time of a lease at most.
   *
   * @param onLost Called once, when it is no longer in force and has not been released.
   * @returns The broker's answer. Rejects with `ERR_BROKER` or `ERR_UNACKNOWLEDGED` if there is none.
   */
  async acquire(bounds: TopicBounds, restart: boolean, onLost: (error: CometError) => void): Promise<LeaseAnswer> {
    const giveUpAt = now() + this.#leaseMs;
    for (;;) {
      const askedAt = now();
      try {
        const request = { fence: this.#fence, leaseMs: this.#leaseMs, restart };
        const answer = await this.#finite.acquire(this.#topic, request, bounds);
        if (answer !== "acquired") return answer;
        this.#onLost = onLost;
        this.#until = askedAt + this.#leaseMs;
        this.#renewIn(this.#leaseMs / RENEWALS);
        return answer;
      } catch (error) {
        const isUnknown = error instanceof CometError && error.code === "ERR_UNACKNOWLEDGED";
        if (!isUnknown || now() > giveUpAt) throw error;
        await new Promise((resolve) => setTimeout(resolve, RETRY_MS));
      }
    }
  }

  /** Stops renewing it. The end of the topic ends it at the broker. */
  release(): void {
    this.#isReleased = true;
    clearTimeout(this.#timer);
    this.#onLost = () => undefined;
    this.#until = -Infinity;
  }

  /** Notes that the broker has refused a message because the lease is no longer in force. */
  lose(): void {
    const onLost = this.#onLost;
    this.release();
    onLost(this.loss);
  }

  #renewIn(ms: number): void {
    this.#timer = unrefTimeout(() => void this.#renew(), ms);
  }

  async #renew(): Promise<void> {
    const askedAt = now();
    if (!this.isInForce) {
      this.lose();
      return;
    }
    let nextMs = this.#leaseMs / RENEWALS;
    try {
      await this.#finite.renewLease(this.#topic, this.#fence, this.#leaseMs);
      if (!this.#isReleased) this.#until = askedAt + this.#leaseMs;
    } catch (error) {
      // Anything else may be a broken network: it is tried again while the lease is in force.
      if (error instanceof CometError && error.code === "ERR_PRODUCER_LOST") this.lose();
      nextMs = Math.max(RETRY_MS, nextMs / RENEWALS);
    }
    if (!this.#isReleased) this.#renewIn(Math.min(nextMs, Math.max(0, this.#until - now())));
  }
}

import { Backoff } from "../core/backoff.ts";
import { unrefTimeout, type Timer } from "../core/timers.ts";
import { afterTurn } from "../core/turn.ts";
import type { BrokerHost } from "../log/broker.ts";
import { FIRST_RETRY_MS } from "./network-broker-options.ts";

/** A broker, as its reconnection sees it. */
export interface ReconnectingBroker {
  /** Upper bound of the delay before an attempt, in milliseconds. */
  readonly maxRetryMs: number;
  /** Opens a session, which is the broker's when this resolves, unless the broker was closed meanwhile. */
  readonly connect: () => Promise<void>;
  readonly isConnected: () => boolean;
  /** Returns what the hub is notified of, from the error of a session or an attempt. */
  readonly lossOf: (error: unknown) => unknown;
  /** Lower bound of the delay before the next attempt, in milliseconds. @default none */
  readonly minRetryMs?: () => number;
}

/**
 * Opens a broker's sessions one after another, and notifies its hub.
 *
 * Invariants: at most one attempt is under way or due. The hub's `lost` and `restored` alternate, beginning with `lost`.
 * Neither is called within a call of the hub to the broker, nor after `close`.
 */
export class Reconnection {
  readonly #broker: ReconnectingBroker;
  readonly #backoff: Backoff;
  #host: BrokerHost | undefined;
  #lastError: unknown;
  #isLossNotified = false;
  #isClosed = false;
  #retry: Timer | undefined;

  constructor(broker: ReconnectingBroker) {
    this.#broker = broker;
    this.#backoff = new Backoff({ firstMs: FIRST_RETRY_MS, maxMs: broker.maxRetryMs });
  }

  /** The hub, from `attach` until `close`. */
  get host(): BrokerHost | undefined {
    return this.#host;
  }

  /** The error of the last session or attempt that has failed. */
  get lastError(): unknown {
    return this.#lastError;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  attach(host: BrokerHost): void {
    this.#host = host;
    // The first session may have ended before there was a host.
    afterTurn(() => {
      if (!this.#broker.isConnected()) this.#notifyLost();
    });
  }

  /** Notes that the broker's session has ended, and opens another one. */
  lose(error: unknown): void {
    this.#lastError = error;
    this.#retryLater();
    this.#notifyLost();
  }

  /** Has the hub read everything again, as after a loss, although the session is open. */
  reread(error: unknown): void {
    if (this.#isLossNotified) return;
    afterTurn(() => {
      if (this.#isLossNotified || !this.#broker.isConnected()) return;
      this.#lastError = error;
      this.#notifyLost();
      this.#notifyRestored();
    });
  }

  close(): void {
    this.#isClosed = true;
    this.#host = undefined;
    clearTimeout(this.#retry);
  }

  #retryLater(): void {
    if (this.#isClosed) return;
    const delayMs = Math.max(this.#backoff.next(), this.#broker.minRetryMs?.() ?? 0);
    this.#retry = unrefTimeout(() => void this.#reconnect(), delayMs);
  }

  async #reconnect(): Promise<void> {
    try {
      await this.#broker.connect();
    } catch (error) {
      this.#lastError = error;
      this.#retryLater();
      return;
    }
    if (!this.#broker.isConnected()) return;
    this.#backoff.reset();
    this.#notifyRestored();
  }

  #notifyLost(): void {
    if (this.#isLossNotified || this.#host === undefined) return;
    this.#isLossNotified = true;
    this.#host.lost(this.#broker.lossOf(this.#lastError));
  }

  #notifyRestored(): void {
    if (!this.#isLossNotified) return;
    this.#isLossNotified = false;
    this.#host?.restored();
  }
}

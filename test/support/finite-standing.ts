import { expect } from "vitest";
import { placesOf, type Place } from "../soak/support/position.ts";

/** By then a sweep of the hub has removed what has expired, in milliseconds. */
const SWEPT_MS = 101;

/** What a model knows of one finite topic: what must be so, and what may be so. Times are virtual. */
export class FiniteStanding {
  /** The life that the last publisher has met, and the time at which it began at the latest. */
  epoch: string | undefined;
  begunAt = Infinity;
  /** The removals that were asked for: by `delete` and by `restart`; and those that had been when `epoch` began. */
  removals = 0;
  removalsBefore = 0;
  /** The calls of `produce` that are under way, and those among them that restart. */
  producers = 0;
  restarts = 0;
  /** The calls that may have ended it as stopped. */
  stops = 0;
  /** Whether a source of it has failed. */
  hasFailed = false;
  /** The time of its end, if nothing can have removed it or begun it anew since. */
  surelyEndedAt: number | undefined;
  readonly #topic: string;
  readonly #ttlMs: number;
  readonly #mayEvict: boolean;
  /** The calls that may have ended it, and the times of the first ever and of the first since it began. */
  #ends = 0;
  #firstEndedFrom = Infinity;
  #endedFrom = Infinity;

  /** @param mayEvict Whether the hub may remove it because it lacks room. */
  constructor(topic: string, ttlMs: number, mayEvict: boolean) {
    this.#topic = topic;
    this.#ttlMs = ttlMs;
    this.#mayEvict = mayEvict;
  }

  /** Whether the topic may have ended, and be kept no longer. */
  get mayBeExpired(): boolean {
    return this.#mayBeOver(this.#endedFrom);
  }

  /** Whether a life of the topic, present or former, may have ended and been removed. */
  get mayHaveExpired(): boolean {
    return (this.removals > 0 && this.#firstEndedFrom < Infinity) || this.#mayBeOver(this.#firstEndedFrom);
  }

  get isSurelyExpired(): boolean {
    return this.surelyEndedAt !== undefined && performance.now() - this.surelyEndedAt > this.#ttlMs + SWEPT_MS;
  }

  /** Whether a call may be rejected because the topic has ended. */
  get mayHaveEnded(): boolean {
    return this.#endedFrom < Infinity && !this.isSurelyExpired;
  }

  /** Notes a call that may end the topic. */
  mayEnd(): void {
    this.#ends += 1;
    this.#firstEndedFrom = Math.min(this.#firstEndedFrom, performance.now());
    this.#endedFrom = Math.min(this.#endedFrom, performance.now());
  }

  /** Notes a call that removes the topic. */
  remove(): void {
    this.removals += 1;
    this.surelyEndedAt = undefined;
  }

  /**
   * Notes a call that publishes, and returns a function for its position, which returns the place. The place must be in
   * the life that there was before, unless something may have removed that.
   */
  called(): (position: string) => Place {
    const { epoch: before, removals, removalsBefore, restarts, producers, isSurelyExpired } = this;
    const ends = this.#ends;
    const mayBeginAnew = removals > removalsBefore || restarts > 0 || this.#mayEvict || this.mayBeExpired;
    if (this.mayBeExpired) this.surelyEndedAt = undefined;
    const time = performance.now();
    return (position) => {
      const place = placesOf(position).get(this.#topic);
      if (place === undefined) throw new Error(`The position ${position} does not name ${this.#topic}.`);
      if (before !== undefined && !mayBeginAnew) expect(place.epoch, `${this.#topic} goes on`).toBe(before);
      if (isSurelyExpired) expect(place.epoch, `${this.#topic} begins anew`).not.toBe(before);
      if (this.epoch !== place.epoch && this.epoch === before) {
        this.epoch = place.epoch;
        this.removalsBefore = removals;
        this.begunAt = time;
        // The calls before may have ended another life.
        if (producers === 0 && this.#ends === ends) this.#endedFrom = Infinity;
      }
      return place;
    };
  }

  #mayBeOver(endedFrom: number): boolean {
    return endedFrom < Infinity && (this.#mayEvict || performance.now() - endedFrom > this.#ttlMs);
  }
}

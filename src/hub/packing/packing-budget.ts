import { now } from "../../core/clock.ts";

/**
 * The time that packing may take: a share of all time, of which some can be saved up.
 *
 * Packing a pass for one reader takes several times as long as sending it. A hub with thousands of such topics, or one
 * whose clients ask for backlogs at random places, therefore packs a part of them, and stores the rest.
 */
export class PackingBudget {
  readonly #share: number;
  readonly #mostMs: number;
  #leftMs: number;
  #countedAt: number = now();

  /**
   * @param share The share of time, such as 0.05.
   * @param mostMs The most that can be saved up, in milliseconds.
   */
  constructor(share: number, mostMs: number) {
    this.#share = share;
    this.#mostMs = mostMs;
    this.#leftMs = mostMs;
  }

  /** Whether some time is left. A call that is begun may take more: the budget is then owed the rest. */
  get isLeft(): boolean {
    const time = now();
    this.#leftMs = Math.min(this.#mostMs, this.#leftMs + (time - this.#countedAt) * this.#share);
    this.#countedAt = time;
    return this.#leftMs > 0;
  }

  /** Takes time that was spent, in milliseconds. */
  spend(ms: number): void {
    this.#leftMs -= ms;
  }
}

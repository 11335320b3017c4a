import { startIoUring, type IoUring } from "../../../src/adapters/node/uring/use-io-uring.ts";
import type { IoUringStats } from "../../../src/adapters/node/uring/socket-batch.ts";
import { faultyLibc, type Faults } from "../../support/faulty-libc.ts";
import { Random } from "./random.ts";

/** How often it looks whether a ring has stopped, in milliseconds. */
const LOOK_MS = 50;

/** The counts of all rings that the server has had, one after the other, and the last one's reason to be inactive. */
export interface RingState extends IoUringStats {
  readonly rings: number;
  readonly reason: string | undefined;
}

/** Keeps a ring on which sends are cut, refused and lost at random: another one follows when it has stopped. */
export class FaultyRings {
  readonly #random: Random;
  readonly #faults: Faults = {};
  readonly #rings: IoUring[] = [];
  #ring: IoUring;

  constructor(seed: number) {
    const random = new Random(seed);
    this.#random = random;
    this.#ring = this.#start();
    setInterval(() => {
      if (!this.#ring.active && this.#rings.length > 0) this.#ring = this.#start();
    }, LOOK_MS).unref();
  }

  state(): RingState {
    const sum = (count: keyof IoUringStats): number =>
      this.#rings.reduce((total, one) => total + one.stats()[count], 0);
    return {
      rings: this.#rings.length,
      reason: this.#ring.reason,
      calls: sum("calls"),
      sends: sum("sends"),
      rests: sum("rests"),
      destroyed: sum("destroyed"),
    };
  }

  #start(): IoUring {
    const random = this.#random;
    // The self-test needs a ring without faults.
    Object.assign(this.#faults, { cut: undefined, take: undefined, lose: undefined } satisfies Faults);
    const ring = startIoUring(() => faultyLibc(this.#faults), 1);
    Object.assign(this.#faults, {
      cut: (length) => (random.chance(0.03) ? random.whole(0, length) : length),
      take: (count) => (random.chance(0.05) ? random.pick(["fail", "throw", random.whole(0, count)] as const) : count),
      lose: () => random.chance(0.005),
    } satisfies Faults);
    if (ring.active) this.#rings.push(ring);
    return ring;
  }
}

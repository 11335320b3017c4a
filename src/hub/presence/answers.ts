import { now } from "../../core/clock.ts";
import { unrefTimeout, type Timer } from "../../core/timers.ts";
import type { Roll } from "./rolls.ts";
import type { Rolls } from "./rolls.ts";
import { partsInSignals, type Part, type Telling } from "./signals.ts";

/** For how long changes are gathered before they are told, in milliseconds. */
const GATHER_MS = 100;
/** So many topics are told of; if others are wanted as well, they are not. */
const MAX_LEASES = 100_000;

/** That somebody wants to be told of a topic. */
interface Lease {
  until: number;
  isWhole: boolean;
  readonly changed: Set<string>;
}

/** What this process tells others of its own subscribers: of the topics that somebody wants, at once and then as they change. */
export class Answers {
  readonly #rolls: Rolls;
  readonly #tell: (parts: readonly Part[]) => void;
  readonly #leases = new Map<string, Lease>();
  /** The topics of which there is something to tell. */
  readonly #due = new Set<string>();
  #toldAt = -Infinity;
  #timer: Timer | undefined;

  /** @param tell Sends parts of rolls to the other processes. */
  constructor(rolls: Rolls, tell: (parts: readonly Part[]) => void) {
    this.#rolls = rolls;
    this.#tell = tell;
  }

  get size(): number {
    return this.#leases.size;
  }

  has(topic: string): boolean {
    return this.#leases.has(topic);
  }

  /** Tells of topics until then: of everything if they are new, or wanted afresh. */
  lease(topics: readonly string[], until: number, afresh: boolean): void {
    const fresh: string[] = [];
    for (const topic of topics) {
      const lease = this.#leases.get(topic);
      if (lease !== undefined) {
        lease.until = Math.max(lease.until, until);
        if (afresh) lease.isWhole = true;
      } else if (this.#leases.size < MAX_LEASES) {
        this.#leases.set(topic, { until, isWhole: true, changed: new Set() });
        fresh.push(topic);
      } else continue;
      if (afresh || lease === undefined) this.#due.add(topic);
    }
    if (fresh.length > 0) this.#rolls.keep(fresh);
    this.#tellSoon();
  }

  /** The number of an identity's subscribers, or that of the anonymous, has changed. */
  changed(topic: string, identity: string | undefined): void {
    const lease = this.#leases.get(topic);
    if (lease === undefined) return;
    if (identity !== undefined && !lease.isWhole) lease.changed.add(identity);
    this.#due.add(topic);
    this.#tellSoon();
  }

  /** Ends what is wanted no more, and answers which topics these are. */
  lapse(): string[] {
    const time = now();
    const lapsed: string[] = [];
    for (const [topic, { until }] of this.#leases) if (time > until) lapsed.push(topic);
    for (const topic of lapsed) {
      this.#leases.delete(topic);
      this.#due.delete(topic);
    }
    return lapsed;
  }

  end(): void {
    clearTimeout(this.#timer);
    this.#leases.clear();
    this.#due.clear();
  }

  /** The first change is told at once, those that follow soon after it together. */
  #tellSoon(): void {
    if (this.#timer !== undefined || this.#due.size === 0) return;
    this.#timer = unrefTimeout(
      () => {
        this.#timer = undefined;
        this.#toldAt = now();
        for (const parts of partsInSignals(this.#tellings())) this.#tell(parts);
      },
      Math.max(0, this.#toldAt + GATHER_MS - now()),
    );
  }

  *#tellings(): Generator<Telling> {
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

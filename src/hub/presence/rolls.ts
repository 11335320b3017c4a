/**
 * Rolls: how many subscribers each identity has, by topic. `Rolls` has those of this process; a `Peer` has those of
 * another.
 *
 * Invariants: an identity with no subscriber is not in a roll. A roll that is kept changes with every subscription, so
 * `Presences` must apply each change exactly once.
 */

/** The part of a subscription that presence counts. */
export interface Attendee {
  readonly identity: string | undefined;
  readonly topics: readonly string[];
}

/** The subscribers of one topic in one process, by identity. */
export class Roll {
  /** The number of subscribers of each identity; never 0. */
  readonly identities: Map<string, number> = new Map();
  anonymous = 0;
  #identified = 0;

  get subscribers(): number {
    return this.anonymous + this.#identified;
  }

  countOf(identity: string): number {
    return this.identities.get(identity) ?? 0;
  }

  set(identity: string, count: number): void {
    this.#identified += count - this.countOf(identity);
    if (count === 0) this.identities.delete(identity);
    else this.identities.set(identity, count);
  }

  /** Adds or removes one subscriber. */
  change(identity: string | undefined, by: 1 | -1): void {
    if (identity === undefined) this.anonymous += by;
    else this.set(identity, this.countOf(identity) + by);
  }
}

/** The rolls of this process, for the topics that any process asks about. Nothing is kept for other topics. */
export class Rolls {
  readonly #subscriptions: Iterable<Attendee>;
  readonly #byTopic = new Map<string, Roll>();

  /** @param subscriptions All open subscriptions. */
  constructor(subscriptions: Iterable<Attendee>) {
    this.#subscriptions = subscriptions;
  }

  get size(): number {
    return this.#byTopic.size;
  }

  /** Returns the roll of a topic, if it is kept. */
  get(topic: string): Roll | undefined {
    return this.#byTopic.get(topic);
  }

  /** Keeps the rolls of these topics from now on. */
  keep(topics: readonly string[]): void {
    const added = topics.filter((topic) => !this.#byTopic.has(topic));
    if (added.length > 0) for (const [topic, roll] of this.#count(added)) this.#byTopic.set(topic, roll);
  }

  /**
   * Returns the roll of a topic as of now, kept or not. A roll that is not kept costs a pass over all subscriptions.
   */
  count(topic: string): Roll {
    return this.#byTopic.get(topic) ?? (this.#count([topic]).get(topic) as Roll);
  }

  drop(topic: string): void {
    this.#byTopic.delete(topic);
  }

  /** Counts the subscribers of these topics, in one pass over all subscriptions. */
  #count(topics: readonly string[]): Map<string, Roll> {
    const rolls = new Map(topics.map((topic) => [topic, new Roll()]));
    for (const { identity, topics: followed } of this.#subscriptions) {
      for (const topic of followed) rolls.get(topic)?.change(identity, 1);
    }
    return rolls;
  }
}

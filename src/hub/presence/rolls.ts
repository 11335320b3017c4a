/** The part of a subscription that counts here. */
export interface Attendant {
  readonly identity: string | undefined;
  readonly topics: readonly string[];
}

/** How many follow one topic in one process, and who. */
export class Roll {
  /** How many subscribers each identity has: never 0. */
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

  /** One subscriber more, or less. */
  change(identity: string | undefined, by: 1 | -1): void {
    if (identity === undefined) this.anonymous += by;
    else this.set(identity, this.countOf(identity) + by);
  }
}

/** This process's own rolls: who follows, here, the topics that somebody asks about. For other topics nothing is kept. */
export class Rolls {
  readonly #subscriptions: Iterable<Attendant>;
  readonly #byTopic = new Map<string, Roll>();

  /** @param subscriptions All that are open now. */
  constructor(subscriptions: Iterable<Attendant>) {
    this.#subscriptions = subscriptions;
  }

  get size(): number {
    return this.#byTopic.size;
  }

  /** The roll of a topic, if it is kept. */
  get(topic: string): Roll | undefined {
    return this.#byTopic.get(topic);
  }

  /** Keeps the rolls of these topics from now on. */
  keep(topics: readonly string[]): void {
    const fresh = topics.filter((topic) => !this.#byTopic.has(topic));
    if (fresh.length > 0) for (const [topic, roll] of this.#count(fresh)) this.#byTopic.set(topic, roll);
  }

  /** The roll of a topic as of now, whether it is kept or not. */
  count(topic: string): Roll {
    return this.#byTopic.get(topic) ?? (this.#count([topic]).get(topic) as Roll);
  }

  drop(topic: string): void {
    this.#byTopic.delete(topic);
  }

  /** Counts subscribers of these topics, in one pass over all subscriptions. */
  #count(topics: readonly string[]): Map<string, Roll> {
    const rolls = new Map(topics.map((topic) => [topic, new Roll()]));
    for (const { identity, topics: followed } of this.#subscriptions) {
      for (const topic of followed) rolls.get(topic)?.change(identity, 1);
    }
    return rolls;
  }
}

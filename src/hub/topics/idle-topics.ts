/** Topics without followers, in the order of their last use: the candidates for eviction. */
export class IdleTopics<Topic> {
  readonly #topics = new Set<Topic>();
  /**
   * An iterator that continues where it was: a set that repeatedly loses its first members is slow to iterate from the
   * start.
   */
  #next: IterableIterator<Topic> | undefined;

  add(topic: Topic): void {
    this.#topics.add(topic);
  }

  delete(topic: Topic): void {
    this.#topics.delete(topic);
  }

  /** Returns the topic that has been idle longest, of those that are not wanted. */
  oldest(isWanted: (topic: Topic) => boolean): Topic | undefined {
    for (let checks = this.#topics.size; checks > 0; checks -= 1) {
      const topic = this.#advance();
      if (topic !== undefined && !isWanted(topic)) return topic;
    }
    return undefined;
  }

  #advance(): Topic | undefined {
    this.#next ??= this.#topics.values();
    const next = this.#next.next();
    if (next.done !== true) return next.value;
    this.#next = this.#topics.values();
    return this.#next.next().value as Topic | undefined;
  }
}

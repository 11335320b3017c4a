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

/** The number of names that are remembered. */
const MAX_NAMES = 10_000;

/** The names of topics that ended and are no longer kept: the newest 10,000. */
export class ExpiredNames {
  readonly #names = new Set<string>();

  has(name: string): boolean {
    return this.#names.has(name);
  }

  add(name: string): void {
    this.#names.add(name);
    if (this.#names.size > MAX_NAMES) this.#names.delete(this.#names.values().next().value as string);
  }

  delete(name: string): void {
    this.#names.delete(name);
  }
}

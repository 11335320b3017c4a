/** Counts by name, and what went wrong. */
export class Tally {
  readonly counts = new Map<string, number>();
  readonly violations: string[] = [];

  add(name: string, count = 1): void {
    this.counts.set(name, (this.counts.get(name) ?? 0) + count);
  }

  of(name: string): number {
    return this.counts.get(name) ?? 0;
  }

  /** The counts whose names begin with a word, in one line. */
  line(word: string): string {
    const some = Array.from(this.counts).filter(([name]) => name.startsWith(`${word} `));
    return some.map(([name, count]) => `${name.slice(word.length + 1)} ${count}`).join(", ") || "none";
  }

  sum(word: string): number {
    return Array.from(this.counts).reduce((sum, [name, count]) => (name.startsWith(`${word} `) ? sum + count : sum), 0);
  }
}

/** A place in the log of one topic: the topic's name, `=`, the epoch and a dot, and then the offset. */
interface Place {
  readonly prefix: string;
  readonly offset: number;
}

/** Where a client stands in each topic: PROTOCOL.md, sections 2 and 6. */
export class Places {
  /** By the topic's name as positions have it. */
  readonly #places = new Map<string, Place>();

  /** Takes a topic-position, unless it is of the same epoch and no newer. @returns Whether it was taken. */
  keep(part: string, anyway = false): boolean {
    const [topic, place] = parse(part);
    const known = this.#places.get(topic);
    if (!anyway && known?.prefix === place.prefix && known.offset >= place.offset) return false;
    this.#places.set(topic, place);
    return true;
  }

  /** How many messages of the same epoch we have had since a topic-position; at most 0 if none, NaN if it is of another. */
  since(part: string): number {
    const [topic, { prefix, offset }] = parse(part);
    const known = this.#places.get(topic);
    return known?.prefix === prefix ? known.offset - offset : NaN;
  }

  /** How many topics it has a place in. */
  get size(): number {
    return this.#places.size;
  }

  toString(): string {
    return Array.from(this.#places.values(), ({ prefix, offset }) => `${prefix}${offset}`).join();
  }
}

/** @throws {SyntaxError} */
function parse(part: string): [topic: string, place: Place] {
  const dot = part.lastIndexOf(".") + 1;
  const prefix = part.slice(0, dot);
  const offset = Number(part.slice(dot));
  const equals = prefix.indexOf("=");
  if (equals > 0 && offset >= 0) return [prefix.slice(0, equals), { prefix, offset }];
  throw new SyntaxError(`No position: ${part}`);
}

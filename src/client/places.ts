/** A place in the log of one topic: the topic's name, `=`, the epoch and a dot, and then the offset. */
export interface Place {
  readonly topic: string;
  readonly prefix: string;
  readonly offset: number;
}

/** Where a client stands in each topic, by the topic's name as positions have it: PROTOCOL.md, sections 2 and 6. */
export class Places extends Map<string, Place> {
  constructor(position: string) {
    super();
    this.add(position);
  }

  /** Takes every topic-position of a position that is newer, or of another epoch. */
  add(position: string): void {
    for (const part of position.split(",").filter(Boolean)) this.keep(part);
  }

  /** Takes a topic-position, unless it is of the same epoch and no newer. @returns Whether it was taken. */
  keep(part: string, anyway = false): boolean {
    const place = parse(part);
    const isTaken = anyway || !(this.since(part, place) >= 0);
    if (isTaken) this.set(place.topic, place);
    return isTaken;
  }

  /** How many messages of the same epoch we have had since a topic-position; below 0 if it is ahead, NaN if it is of another. */
  since(part: string, { topic, prefix, offset }: Place = parse(part)): number {
    const known = this.get(topic);
    return known?.prefix === prefix ? known.offset - offset : NaN;
  }

  override toString(): string {
    return Array.from(this.values(), ({ prefix, offset }) => `${prefix}${offset}`).join();
  }
}

/** @throws {SyntaxError} */
function parse(part: string): Place {
  const [, prefix, topic, offset] = /^(([^=]+)=.*\.)(\d+)$/.exec(part) ?? [];
  if (topic) return { topic, prefix: prefix as string, offset: Number(offset) };
  throw new SyntaxError(`No position: ${part}`);
}

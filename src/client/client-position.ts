/** A position in one topic. */
export interface TopicPosition {
  /** The topic's name, encoded as in the position. */
  readonly topic: string;
  /** The text before the offset: the name, `=`, the epoch and a dot. */
  readonly prefix: string;
  readonly offset: number;
}

/**
 * The client's position: the newest topic-position of each topic, by the topic's encoded name. PROTOCOL.md, sections 2
 * and 6.
 *
 * Prefixes are compared as texts and sent back unchanged. Do not decode or normalise them: the server may encode a name
 * in another way than this client would.
 */
export class ClientPosition extends Map<string, TopicPosition> {
  /** @throws {SyntaxError} if a part of the position is malformed. An empty position has no parts. */
  constructor(position: string) {
    super();
    this.add(position);
  }

  /** Keeps every topic-position that is newer than the known one, or of another epoch. @throws {SyntaxError} */
  add(position: string): void {
    for (const part of position.split(",").filter(Boolean)) this.keep(part);
  }

  /**
   * Keeps a topic-position, unless it is of the known epoch and not newer; `force` keeps it anyway.
   *
   * @returns Whether it was kept.
   * @throws {SyntaxError}
   */
  keep(part: string, force = false): boolean {
    const position = parse(part);
    const isKept = force || !(this.since(part, position) >= 0);
    if (isKept) this.set(position.topic, position);
    return isKept;
  }

  /** The number of messages since a topic-position: negative if it is ahead, NaN if it is of another epoch or topic. */
  since(part: string, { topic, prefix, offset }: TopicPosition = parse(part)): number {
    const known = this.get(topic);
    return known?.prefix === prefix ? known.offset - offset : NaN;
  }

  override toString(): string {
    return Array.from(this.values(), ({ prefix, offset }) => `${prefix}${offset}`).join();
  }
}

/** @throws {SyntaxError} if it is malformed. */
function parse(part: string): TopicPosition {
  const [, prefix, topic, offset] = /^(([^=]+)=.*\.)(\d+)$/.exec(part) ?? [];
  if (topic) return { topic, prefix: prefix as string, offset: Number(offset) };
  throw new SyntaxError(`No position: ${part}`);
}

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
 * Topic-positions are kept and sent back unchanged. Do not decode or normalise them: the server may encode a name in
 * another way than this client would.
 */
export class ClientPosition extends Map<string, string> {
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
    const position = parseTopicPosition(part);
    const isKept = force || !(this.since(part, position) >= 0);
    if (isKept) this.set(position.topic, part);
    return isKept;
  }

  /** The number of messages since a topic-position: negative if it is ahead, NaN if it is of another epoch or topic. */
  since(part: string, { topic, prefix, offset }: TopicPosition = parseTopicPosition(part)): number {
    const known = this.get(topic);
    return known?.startsWith(prefix) ? Number(known.slice(prefix.length)) - offset : NaN;
  }

  override toString(): string {
    return [...this.values()].join();
  }
}

/**
 * Parses a topic-position. It runs for every message, so it uses no regular expression.
 *
 * @throws {SyntaxError} if it is malformed.
 */
export function parseTopicPosition(part: string): TopicPosition {
  const digits = part.lastIndexOf(".") + 1;
  const topic = part.slice(0, part.indexOf("="));
  const text = part.slice(digits);
  const offset = Number(text);
  if (topic && part[topic.length] === "=" && offset >= 0 && text === String(offset))
    return { topic, prefix: part.slice(0, digits), offset };
  throw new SyntaxError(`No position: ${part}`);
}

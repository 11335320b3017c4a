/** The names of one topic's keys, and of its channel. They share a hash tag, and so a slot of a cluster. */
export interface TopicKeys {
  /** A stream: the messages, with the offsets as their ids. */
  readonly log: string;
  /** A hash: the epoch, the newest offset and what else outlives the messages. */
  readonly meta: string;
  /** The channel where messages are told of. */
  readonly channel: string;
}

/** The names that a broker uses in Redis, all of which begin with its prefix. */
export class Keys {
  /** The key that marks the prefix as one of ours. */
  readonly mark: string;
  /** The channel for signals. */
  readonly signals: string;
  readonly #prefix: string;

  constructor(prefix: string) {
    this.#prefix = prefix;
    this.mark = prefix;
    this.signals = `${prefix}:signals`;
  }

  topic(topic: string): TopicKeys {
    const base = this.#tagged(topic);
    return { log: `${base}log`, meta: `${base}meta`, channel: `${base}live` };
  }

  /** A string: the position of the message with this id. */
  messageId(topic: string, messageId: string): string {
    return `${this.#tagged(topic)}id:${messageId}`;
  }

  /** The channel where one connection hears its own beats, on the server that has the slot of the tag. */
  beat(tag: string, id: string): string {
    return `${this.#prefix}:{${tag}}:beat:${id}`;
  }

  /** The hash tag ends at the first `}`: one in the topic's name is escaped. */
  #tagged(topic: string): string {
    return `${this.#prefix}:{${topic.replace(/[%}]/g, encodeURIComponent)}}:`;
  }
}

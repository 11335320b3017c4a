/** The names of one topic's keys and channel. They share a hash tag, and so a slot of a cluster. */
export interface TopicKeys {
  /** A stream: the messages, with their offsets as ids. */
  readonly log: string;
  /** A hash: the epoch, the newest offset, and other values that outlive the messages. */
  readonly meta: string;
  /** The channel on which each message is published. */
  readonly channel: string;
}

/**
 * The names of the broker's keys and channels in Redis, all of which begin with its prefix. Processes of several versions share them:
 * a name must not change without a new layout version.
 */
export class RedisKeys {
  /** The key that marks the prefix as taken by this package. */
  readonly mark: string;
  /** The channel of signals between hubs. */
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

  /** The name of a string: the position of the message with this id. */
  messageId(topic: string, messageId: string): string {
    return `${this.#tagged(topic)}id:${messageId}`;
  }

  /** The channel of one connection's own heartbeats, on the server that has the slot of the hash tag. */
  beat(tag: string, id: string): string {
    return `${this.#prefix}:{${tag}}:beat:${id}`;
  }

  /** A hash tag ends at the first `}`, so one in the topic's name is escaped. */
  #tagged(topic: string): string {
    return `${this.#prefix}:{${topic.replace(/[%}]/g, encodeURIComponent)}}:`;
  }
}

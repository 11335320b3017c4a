import { CometError, Enumeratee, type Enumerator, type Topic } from "comet-sockets";

/**
 * How long a source runs after the last subscriber leaves, in milliseconds. A client that reconnects in time misses nothing,
 * and a polling client does not stop the source between two polls.
 */
export const LINGER_MS = 5000;

/** Publishes a source to a topic while the topic has subscribers: one run for all of them. */
export class Feed<Message> {
  readonly #topic: Topic<Message>;
  readonly #source: Enumerator<Message>;
  #followers = 0;
  #running: AbortController | undefined;
  #lingering: NodeJS.Timeout | undefined;

  constructor(topic: Topic<Message>, source: Enumerator<Message>) {
    this.#topic = topic;
    this.#source = source;
  }

  get running(): boolean {
    return this.#running !== undefined;
  }

  join(): void {
    this.#followers += 1;
    clearTimeout(this.#lingering);
    if (this.#running !== undefined) return;
    this.#running = new AbortController();
    void this.#publish(this.#running.signal);
  }

  leave(): void {
    this.#followers -= 1;
    if (this.#followers === 0) this.#lingering = setTimeout(() => this.stop(), LINGER_MS);
  }

  stop(): void {
    clearTimeout(this.#lingering);
    this.#running?.abort();
    this.#running = undefined;
  }

  async #publish(signal: AbortSignal): Promise<void> {
    try {
      for await (const message of this.#source.through(Enumeratee.abortable(signal))) {
        // A reading that the file has no room for is gone; the next one may find some.
        await this.#topic.publish(message).catch(report);
      }
    } catch (error) {
      if (!signal.aborted && !(error instanceof CometError && error.code === "ERR_CLOSED")) console.error(error);
    }
  }
}

function report(error: unknown): void {
  if (!(error instanceof CometError && error.code === "ERR_BROKER")) throw error;
  console.error(error.message);
}

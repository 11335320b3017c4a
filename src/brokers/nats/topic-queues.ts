import { CometError } from "../../core/errors.ts";
import { Semaphore } from "../../core/semaphore.ts";

interface TopicQueue {
  readonly turns: Semaphore;
  pending: number;
}

/** Runs the operations of each topic one after the other, in the order of the calls, with a time limit and a bound of bytes for waiting. */
export class TopicQueues {
  readonly #queues = new Map<string, TopicQueue>();
  readonly #timeoutMs: number;
  readonly #maxBytes: number;
  #bytes = 0;

  constructor(timeoutMs: number, maxBytes: number) {
    this.#timeoutMs = timeoutMs;
    this.#maxBytes = maxBytes;
  }

  /** Whether an operation of the topic runs or waits. */
  has(topic: string): boolean {
    return this.#queues.has(topic);
  }

  /**
   * Runs an operation in its turn.
   *
   * @param operate Receives the time, by `performance.now`, after which it must not send anything any more.
   * @throws {CometError} `ERR_BROKER` if too much waits, or its turn does not come within the time limit.
   */
  async run<R>(topic: string, bytes: number, operate: (until: number) => Promise<R>): Promise<R> {
    if (this.#bytes > 0 && this.#bytes + bytes > this.#maxBytes) {
      throw new CometError("ERR_BROKER", `NATS is slow: ${this.#bytes} bytes of messages wait to be sent.`);
    }
    const until = performance.now() + this.#timeoutMs;
    const queue = this.#queues.get(topic) ?? { turns: new Semaphore(1), pending: 0 };
    this.#queues.set(topic, queue);
    queue.pending += 1;
    this.#bytes += bytes;
    try {
      return await queue.turns.run(() => {
        if (performance.now() > until) throw this.#late(topic);
        return operate(until);
      });
    } finally {
      this.#bytes -= bytes;
      queue.pending -= 1;
      if (queue.pending === 0) this.#queues.delete(topic);
    }
  }

  #late(topic: string): CometError {
    const which = `the topic ${JSON.stringify(topic)}`;
    return new CometError(
      "ERR_BROKER",
      `NATS is slow: a message of ${which} was not sent within ${this.#timeoutMs} ms.`,
    );
  }
}

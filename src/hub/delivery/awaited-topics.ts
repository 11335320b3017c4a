import type { Log } from "../../log/log.ts";

/** A topic that ends and that nobody may have begun. */
export interface AwaitedTopic {
  readonly log: Log;
  /** Whether it has not begun. */
  readonly isAwaited: boolean;
}

/** The topics of one connection that had not begun when it was opened, and the time until which it waits for them. */
export class AwaitedTopics {
  readonly #topics: readonly AwaitedTopic[];
  readonly #startBy: number;
  #isReported = false;

  /** @param startBy The time until which the connection waits, by the hub's clock. */
  constructor(topics: readonly AwaitedTopic[], startBy: number) {
    this.#topics = topics;
    this.#startBy = startBy;
  }

  /** Whether the time is over and the client knows which topics have not begun. */
  get isReported(): boolean {
    return this.#isReported;
  }

  /** Returns the logs of the topics that have not begun in time, by the hub's clock: once, when the time is over. */
  takeOverdue(time: number): readonly Log[] | undefined {
    if (this.#isReported || time < this.#startBy) return undefined;
    this.#isReported = true;
    return this.#topics.filter(({ isAwaited }) => isAwaited).map(({ log }) => log);
  }

  /** Returns whether a topic has not begun, and the client knows it. */
  lacks(log: Log): boolean {
    return this.#isReported && this.#topics.some((topic) => topic.log === log && topic.isAwaited);
  }
}

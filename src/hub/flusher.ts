import { now } from "../core/clock.ts";
import { Queue } from "../core/queue.ts";
import { afterTurn } from "../core/turn.ts";
import type { Log } from "../log/log.ts";

/** A topic with new messages, or a group of connections with bytes to send. */
export interface Flushable {
  /** Whether it is in a queue of the flusher. Only the flusher changes this. */
  isQueued: boolean;
  /** Works until it is done or `deadline` has passed, by the hub's clock. Returns whether it is done. */
  flush(deadline: number): boolean;
}

/** A group of connections, as its topics see it. */
export interface Follower extends Flushable {
  /** Works until everything is sent, outside of the flusher. */
  flushNow(): void;
  /** Returns the index up to which every caught-up connection has been sent a log. */
  sent(log: Log): number;
  /**
   * Returns the index up to which every connection that has fallen behind has been sent a log, of those that took bytes
   * after `since`, by the hub's clock.
   */
  reached(log: Log, since: number): number;
}

/**
 * Flushes published messages once per turn of the event loop, within a time slice.
 *
 * When the slice is used up, the rest continues in the next turn, after other work that waits there. So a flush delays
 * other work by the slice and a few writes at most, however many subscribers there are.
 *
 * Invariants: all topics flush before any group, so that a group sees every message of the turn. A `Flushable` is in at
 * most one queue, once. `publish` only marks a topic here.
 */
export class Flusher {
  readonly #sliceMs: number;
  /** The topics with new messages. They enqueue their groups before any group is flushed. */
  readonly #dirty = new Queue<Flushable>();
  readonly #queue = new Queue<Flushable>();
  readonly #afterGroups: (() => void)[] = [];
  #isScheduled = false;

  /** @param sliceMs The time that one turn may be spent on flushing, in milliseconds. */
  constructor(sliceMs: number) {
    this.#sliceMs = sliceMs;
  }

  /** Flushes a topic in the next turn, before all groups. Does nothing if it is queued already. */
  touch(topic: Flushable): void {
    if (topic.isQueued) return;
    topic.isQueued = true;
    this.#dirty.push(topic);
    this.#schedule();
  }

  /** Flushes a group in the next turn, or in this flush if one is under way. Does nothing if it is queued already. */
  enqueue(group: Flushable): void {
    if (group.isQueued) return;
    group.isQueued = true;
    this.#queue.push(group);
    this.#schedule();
  }

  /** Calls a task at the end of each slice, also after an error. */
  afterGroups(task: () => void): void {
    this.#afterGroups.push(task);
  }

  /** The number of groups that are queued. */
  get groups(): number {
    return this.#queue.size;
  }

  /** Whether nothing is queued. */
  get isIdle(): boolean {
    return !this.#isScheduled;
  }

  /** Resolves in the next turn of the event loop, when sinks have had the chance to drain. */
  turn(): Promise<void> {
    return new Promise((resolve) => afterTurn(resolve));
  }

  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    afterTurn(() => this.#run());
  }

  #run(): void {
    try {
      this.#flushTopics();
      this.#flushGroups();
    } finally {
      this.#isScheduled = false;
      if (this.#queue.size > 0 || this.#dirty.size > 0) this.#schedule();
    }
  }

  #flushGroups(): void {
    const deadline = now() + this.#sliceMs;
    try {
      while (this.#queue.size > 0) {
        const group = take(this.#queue);
        if (!group.flush(deadline)) this.enqueue(group);
        if (now() > deadline) break;
      }
    } finally {
      for (const task of this.#afterGroups) task();
    }
  }

  #flushTopics(): void {
    // Messages published meanwhile wait for the next flush.
    for (let left = this.#dirty.size; left > 0; left -= 1) take(this.#dirty).flush(Infinity);
  }
}

function take(queue: Queue<Flushable>): Flushable {
  const work = queue.shift();
  work.isQueued = false;
  return work;
}

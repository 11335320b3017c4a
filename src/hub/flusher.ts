import { now } from "../core/clock.ts";
import { Queue } from "../core/queue.ts";
import { afterTurn } from "../core/turn.ts";

/** A topic that has new messages, or a group of connections that has bytes to send. */
export interface Flushable {
  /** Whether it waits for the flusher, which alone changes this. */
  isQueued: boolean;
  /** Works until it is done or `deadline` has passed, by the hub's clock, and returns whether it is done. */
  flush(deadline: number): boolean;
}

/**
 * Sends published messages once per turn of the event loop, within a time slice. When the slice is used up, the rest continues in the
 * next turn, after whatever else waits there. So a flush delays other work by the slice and a few writes at most, however many subscribers
 * there are.
 */
export class Flusher {
  readonly #sliceMs: number;
  /** Topics that have something new: they enqueue their groups before any group is flushed. */
  readonly #dirty = new Queue<Flushable>();
  readonly #queue = new Queue<Flushable>();
  #isScheduled = false;

  /** @param sliceMs How long one turn may be spent on flushing, in milliseconds. */
  constructor(sliceMs: number) {
    this.#sliceMs = sliceMs;
  }

  /** Flushes a topic in the next turn, before all groups. Does nothing if it waits already. */
  touch(topic: Flushable): void {
    if (topic.isQueued) return;
    topic.isQueued = true;
    this.#dirty.push(topic);
    this.#schedule();
  }

  /** Flushes a group in the next turn, or in this flush if one is under way. Does nothing if it waits already. */
  enqueue(group: Flushable): void {
    if (group.isQueued) return;
    group.isQueued = true;
    this.#queue.push(group);
    this.#schedule();
  }

  /** Flushes everything now, however long it takes. */
  flushAll(): void {
    this.#flushTopics();
    while (this.#queue.size > 0) take(this.#queue).flush(Infinity);
  }

  /** Resolves in the next turn of the event loop, when sinks have had the chance to pass on what they were given. */
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
      const deadline = now() + this.#sliceMs;
      while (this.#queue.size > 0) {
        const group = take(this.#queue);
        if (!group.flush(deadline)) this.enqueue(group);
        if (now() > deadline) break;
      }
    } finally {
      this.#isScheduled = false;
      if (this.#queue.size > 0 || this.#dirty.size > 0) this.#schedule();
    }
  }

  #flushTopics(): void {
    // What is published meanwhile waits for the next flush.
    for (let left = this.#dirty.size; left > 0; left -= 1) take(this.#dirty).flush(Infinity);
  }
}

function take(queue: Queue<Flushable>): Flushable {
  const work = queue.shift();
  work.isQueued = false;
  return work;
}

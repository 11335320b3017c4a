import { Queue } from "../core/queue.ts";
import { afterTurn } from "../core/turn.ts";
import { now } from "../core/clock.ts";
import type { LiveTopic, TopicGroup } from "./live-topic.ts";

/**
 * Sends what was published, once a turn of the event loop, and for so long at a time: when a slice of time is used up, what is
 * left goes on in the next turn, after whatever else is waiting there. So however many subscribers there are, nothing waits
 * for a flush longer than the slice and a few writes.
 */
export class Flusher {
  readonly #sliceMs: number;
  readonly #dirty: LiveTopic[] = [];
  readonly #queue = new Queue<TopicGroup>();
  #scheduled = false;

  constructor(sliceMs: number) {
    this.#sliceMs = sliceMs;
  }

  /** Something was published. */
  touch(topic: LiveTopic): void {
    this.#dirty.push(topic);
    this.#schedule();
  }

  /** A group has something to send. */
  enqueue(group: TopicGroup): void {
    if (group.queued) return;
    group.queued = true;
    this.#queue.push(group);
    this.#schedule();
  }

  /** Sends all that one topic has to send, now: its log has no room for more. */
  flushNow(topic: LiveTopic): void {
    const i = this.#dirty.indexOf(topic);
    if (i !== -1) this.#dirty.splice(i, 1);
    this.#settle(topic);
    for (const group of topic.groups) group.flush(Infinity);
  }

  /** Sends all that there is to send, now. */
  flushAll(): void {
    for (const topic of this.#dirty.splice(0)) this.#settle(topic);
    while (this.#queue.size > 0) {
      const group = this.#queue.shift();
      group.queued = false;
      group.flush(Infinity);
    }
  }

  /** Resolves in the next turn of the event loop, when sinks have had the chance to take what they were given. */
  turn(): Promise<void> {
    return new Promise((resolve) => afterTurn(resolve));
  }

  #schedule(): void {
    if (this.#scheduled) return;
    this.#scheduled = true;
    afterTurn(() => this.#run());
  }

  #run(): void {
    this.#scheduled = false;
    for (const topic of this.#dirty.splice(0)) this.#settle(topic);
    const deadline = now() + this.#sliceMs;
    while (this.#queue.size > 0) {
      const group = this.#queue.shift();
      group.queued = false;
      if (!group.flush(deadline)) this.enqueue(group);
      if (now() > deadline) break;
    }
    if (this.#queue.size > 0) this.#schedule();
  }

  /** Tells those who follow a topic that there is something. */
  #settle(topic: LiveTopic): void {
    topic.pendingEntries = topic.pendingBytes = 0;
    for (const group of topic.groups) this.enqueue(group);
    for (const wake of [...topic.wakes]) wake();
  }
}

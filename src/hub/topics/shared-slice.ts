import { now } from "../../core/clock.ts";
import { Queue } from "../../core/queue.ts";
import { afterTurn } from "../../core/turn.ts";

/**
 * A time slice of each turn of the event loop, shared by all sources that are published.
 *
 * A source that never waits would stop the event loop, and a thousand of them would if each had a slice of its own.
 * Tasks that find the slice used up wait in a queue and continue in later turns, first come, first served.
 */
export class SharedSlice {
  readonly #sliceMs: number;
  readonly #waiting = new Queue<() => void>();
  /** The end of this turn's slice, by the hub's clock; `undefined` until somebody asks in this turn. */
  #end: number | undefined;

  /** @param sliceMs The time in milliseconds that one turn may take. */
  constructor(sliceMs: number) {
    this.#sliceMs = sliceMs;
  }

  /** Whether this turn has time left. The first call of a turn begins the slice. */
  get isOpen(): boolean {
    const time = now();
    if (this.#end !== undefined) return time < this.#end;
    this.#end = time + this.#sliceMs;
    // A flush that was scheduled before, in the same turn, runs before the waiting tasks.
    afterTurn(() => this.#continue());
    return true;
  }

  /** Runs a task in a later turn. Call it in the turn in which `isOpen` was false. */
  wait(task: () => void): void {
    this.#waiting.push(task);
  }

  #continue(): void {
    this.#end = undefined;
    while (this.#waiting.size > 0 && this.isOpen) this.#waiting.shift()();
  }
}

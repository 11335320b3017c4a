import { ChannelRun } from "../../stream/channel.ts";
import type { Run, Wake } from "../../stream/run.ts";
import type { PresenceChange } from "../topic.ts";
import type { Roll } from "./rolls.ts";
import { now } from "../../core/clock.ts";
import { unrefTimeout, type Timer } from "../../core/timers.ts";

/** The number of changes that may wait for a reader. */
const CAPACITY = 100_000;

/**
 * The joins and leaves of one topic's identities. It emits a `leave` only after the grace, so that an identity that
 * reconnects has not left.
 *
 * Invariants: each identity alternates between `join` and `leave`. `#absent` is in the order of time, so one timer is
 * enough. A reader that does not keep up fails at `CAPACITY` and never slows the others.
 */
export class Watch {
  readonly #graceMs: number;
  readonly #rolls: () => readonly Roll[];
  readonly #onUnwatched: () => void;
  readonly #runs = new Set<ChangesRun>();
  /** The identities that are present, according to the changes emitted so far. */
  readonly #present = new Set<string>();
  /** The time since which an identity is absent whose `leave` is not emitted yet: the longest absent first. */
  readonly #absent = new Map<string, number>();
  #timer: Timer | undefined;
  #hasBegun = false;

  /**
   * @param graceMs The time in milliseconds that an identity must be absent before it has left.
   * @param rolls The rolls of the topic in all processes, as of now.
   * @param onUnwatched Called when the last reader has closed.
   */
  constructor(graceMs: number, rolls: () => readonly Roll[], onUnwatched: () => void) {
    this.#graceMs = graceMs;
    this.#rolls = rolls;
    this.#onUnwatched = onUnwatched;
  }

  /** Starts to emit changes, from the identities that are present now. */
  begin(): void {
    this.#hasBegun = true;
    for (const { identities } of this.#rolls()) for (const identity of identities.keys()) this.#present.add(identity);
  }

  open(wake: Wake): Run<PresenceChange> {
    const run = new ChangesRun(wake, () => {
      this.#runs.delete(run);
      if (this.#runs.size > 0) return;
      clearTimeout(this.#timer);
      this.#onUnwatched();
    });
    this.#runs.add(run);
    return run;
  }

  /** Checks an identity whose number of subscribers may have changed. */
  update(identity: string): void {
    if (!this.#hasBegun) return;
    if (this.#isAbsent(identity)) {
      if (!this.#present.has(identity) || this.#absent.has(identity)) return;
      this.#absent.set(identity, now());
      this.#scheduleLeaves();
    } else if (!this.#absent.delete(identity) && !this.#present.has(identity)) {
      this.#present.add(identity);
      this.#emit("join", identity);
    }
  }

  #isAbsent(identity: string): boolean {
    return this.#rolls().every((roll) => roll.countOf(identity) === 0);
  }

  /** Ends all readers. */
  end(): void {
    clearTimeout(this.#timer);
    for (const run of this.#runs) run.finish({});
  }

  /** Waits for the grace of the identity that has been absent longest. */
  #scheduleLeaves(): void {
    const [since] = this.#absent.values();
    if (this.#timer !== undefined || since === undefined) return;
    this.#timer = unrefTimeout(() => this.#emitLeaves(), Math.max(0, since + this.#graceMs - now()));
  }

  #emitLeaves(): void {
    this.#timer = undefined;
    const time = now();
    for (const [identity, since] of this.#absent) {
      // A timer may fire early by less than a millisecond.
      if (time - since < this.#graceMs - 1) break;
      this.#absent.delete(identity);
      this.#present.delete(identity);
      this.#emit("leave", identity);
    }
    this.#scheduleLeaves();
  }

  #emit(type: "join" | "leave", identity: string): void {
    const subscribers = this.#rolls().reduce((sum, roll) => sum + roll.subscribers, 0);
    const change = { type, identity, subscribers };
    for (const run of [...this.#runs]) run.give(change);
  }
}

class ChangesRun extends ChannelRun<PresenceChange> {
  readonly #onClose: () => void;

  constructor(wake: Wake, onClose: () => void) {
    super({ capacity: CAPACITY, whenFull: "fail", onDrop: undefined }, wake);
    this.#onClose = onClose;
  }

  override close(): void {
    this.#onClose();
    super.close();
  }
}

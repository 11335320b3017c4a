import { ChannelRun } from "../../stream/channel.ts";
import type { Run, Wake } from "../../stream/run.ts";
import type { PresenceChange } from "../topic.ts";
import type { Roll } from "./rolls.ts";
import { now } from "../../core/clock.ts";
import { unrefTimeout, type Timer } from "../../core/timers.ts";

/** So many changes may wait for a reader. */
const CAPACITY = 100_000;

/** Those who come to a topic, and those who leave it and do not come back within the grace. */
export class Watch {
  readonly #graceMs: number;
  readonly #rolls: () => readonly Roll[];
  readonly #onUnwatched: () => void;
  readonly #runs = new Set<ChangesRun>();
  /** Those who are there, as far as was told. */
  readonly #present = new Set<string>();
  /** Since when they are not there of whom that is not told yet: the longest absent first. */
  readonly #absent = new Map<string, number>();
  #timer: Timer | undefined;
  #hasBegun = false;

  /**
   * @param graceMs How long an identity must be absent before it has left.
   * @param rolls The rolls of the topic in all processes, as of now.
   * @param onUnwatched Called when the last reader has gone.
   */
  constructor(graceMs: number, rolls: () => readonly Roll[], onUnwatched: () => void) {
    this.#graceMs = graceMs;
    this.#rolls = rolls;
    this.#onUnwatched = onUnwatched;
  }

  /** Begins to emit changes, from who is present now. */
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

  /** An identity's number may have changed. */
  touch(identity: string): void {
    if (!this.#hasBegun) return;
    if (this.#isAbsent(identity)) {
      if (!this.#present.has(identity) || this.#absent.has(identity)) return;
      this.#absent.set(identity, now());
      this.#wait();
    } else if (!this.#absent.delete(identity) && !this.#present.has(identity)) {
      this.#present.add(identity);
      this.#tell("join", identity);
    }
  }

  #isAbsent(identity: string): boolean {
    return this.#rolls().every((roll) => roll.countOf(identity) === 0);
  }

  /** There will be no more changes. */
  end(): void {
    clearTimeout(this.#timer);
    for (const run of this.#runs) run.finish({});
  }

  /** Waits until the grace of the one is over who has been absent longest. */
  #wait(): void {
    const [since] = this.#absent.values();
    if (this.#timer !== undefined || since === undefined) return;
    this.#timer = unrefTimeout(() => this.#tellWhoLeft(), Math.max(0, since + this.#graceMs - now()));
  }

  #tellWhoLeft(): void {
    this.#timer = undefined;
    const time = now();
    for (const [identity, since] of this.#absent) {
      // A timer may be early by less than a millisecond.
      if (time - since < this.#graceMs - 1) break;
      this.#absent.delete(identity);
      this.#present.delete(identity);
      this.#tell("leave", identity);
    }
    this.#wait();
  }

  #tell(type: "join" | "leave", identity: string): void {
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

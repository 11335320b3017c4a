import { ChannelRun } from "../stream/channel.ts";
import type { Run, Wake } from "../stream/run.ts";
import { now } from "../core/clock.ts";

/** That somebody has come to a topic, or has left it, in whichever process. */
export interface PresenceChange {
  /** `join`: the identity's first subscriber has come. `leave`: its last has gone, and none has come for a while. */
  readonly type: "join" | "leave";
  readonly identity: string;
  /** How many subscribers the topic has now, whoever they are. */
  readonly subscribers: number;
}

/** So many changes may wait for a reader. */
const CAPACITY = 100_000;

/** Where the numbers are that are watched. */
export interface WatchedTopic {
  readonly graceMs: number;
  /** How many subscribers an identity has now in all processes. */
  countOf(identity: string): number;
  /** How many there are, of whichever identity. */
  subscribers(): number;
  /** There is no reader any more. */
  left(): void;
}

/** Those who come to a topic, and those who leave it and do not come back within the grace. */
export class Watch {
  readonly #topic: WatchedTopic;
  readonly #runs = new Set<ChangesRun>();
  /** Those who are there, as far as was told. */
  readonly #present = new Set<string>();
  /** Since when they are not there of whom that is not told yet: the longest absent first. */
  readonly #absent = new Map<string, number>();
  #timer: ReturnType<typeof setTimeout> | undefined;
  #hasBegun = false;

  constructor(topic: WatchedTopic) {
    this.#topic = topic;
  }

  /** These are there; from now on it tells who comes and leaves. */
  begin(identities: Iterable<string>): void {
    this.#hasBegun = true;
    for (const identity of identities) this.#present.add(identity);
  }

  open(wake: Wake): Run<PresenceChange> {
    const run = new ChangesRun(wake, () => {
      this.#runs.delete(run);
      if (this.#runs.size > 0) return;
      clearTimeout(this.#timer);
      this.#topic.left();
    });
    this.#runs.add(run);
    return run;
  }

  /** An identity's number may have changed. */
  touch(identity: string): void {
    if (!this.#hasBegun) return;
    if (this.#topic.countOf(identity) === 0) {
      if (!this.#present.has(identity) || this.#absent.has(identity)) return;
      this.#absent.set(identity, now());
      this.#wait();
    } else if (!this.#absent.delete(identity) && !this.#present.has(identity)) {
      this.#present.add(identity);
      this.#tell("join", identity);
    }
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
    this.#timer = setTimeout(() => this.#tellWhoLeft(), Math.max(0, since + this.#topic.graceMs - now()));
    (this.#timer as { unref?: () => void }).unref?.();
  }

  #tellWhoLeft(): void {
    this.#timer = undefined;
    const time = now();
    for (const [identity, since] of this.#absent) {
      // A timer may be early by less than a millisecond.
      if (time - since < this.#topic.graceMs - 1) break;
      this.#absent.delete(identity);
      this.#present.delete(identity);
      this.#tell("leave", identity);
    }
    this.#wait();
  }

  #tell(type: "join" | "leave", identity: string): void {
    const change = { type, identity, subscribers: this.#topic.subscribers() };
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

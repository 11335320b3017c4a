import { randomName } from "../../core/random-name.ts";
import { now } from "../../core/clock.ts";
import { unrefInterval, type Timer } from "../../core/timers.ts";
import { Answers } from "./answers.ts";
import { Questions } from "./questions.ts";
import type { Rolls } from "./rolls.ts";
import { decodeSignal, encodeSignal, topicsInSignals, type Told } from "./signals.ts";

/** What is told to a process for so many of the asker's beats after it was asked for, or asked for again. */
const LEASE_BEATS = 5;
const RENEWAL_BEATS = 2;
const TICKS_PER_BEAT = 4;
/** How long a good-bye may take, in milliseconds. */
const FAREWELL_MS = 500;

/**
 * Tells other processes who follows topics here, as far as they ask, and keeps what they tell, as far as somebody here asks. Any
 * signal may be lost: processes beat, and number what they tell, so that this is noticed and asked for again.
 */
export class Gossip {
  readonly questions: Questions;
  readonly #answers: Answers;
  readonly #beatMs: number;
  readonly #rolls: Rolls;
  readonly #signal: (text: string) => void;
  readonly #id = randomName(16);
  readonly #tickMs: number;
  #haves = 0;
  #hasSubscribers = false;
  #hasSpoken = false;
  #isOver = false;
  #onGone = (): void => undefined;
  #timer: Timer | undefined;
  #tickedAt = 0;
  #ticks = 0;

  /**
   * @param beatMs How often this process shows that it is alive.
   * @param rolls This process's own.
   * @param signal Sends a text to all processes, best effort.
   * @param onChange Called with the identities of a topic whose number another process may have changed.
   */
  constructor(
    beatMs: number,
    rolls: Rolls,
    signal: (text: string) => void,
    onChange: (topic: string, identities: Iterable<string>) => void,
  ) {
    this.#beatMs = beatMs;
    this.#rolls = rolls;
    this.#signal = signal;
    this.#tickMs = beatMs / TICKS_PER_BEAT;
    this.questions = new Questions({
      beatMs,
      want: (topics, afresh, of) => this.#want(topics, afresh, of),
      begins: (topic) => {
        rolls.keep([topic]);
        this.#start();
      },
      ends: (topic) => {
        if (!this.#answers.has(topic)) rolls.drop(topic);
      },
      changed: onChange,
    });
    this.#answers = new Answers(rolls, (parts) => {
      this.#haves += 1;
      this.#tell({ type: "have", parts });
    });
  }

  /** There is a subscriber, of some topic. Those who ask do not know of a process that has not had any. */
  subscribed(): void {
    if (this.#hasSubscribers) return;
    this.#hasSubscribers = true;
    this.#tell({ type: "hello" });
  }

  /** The number of subscribers of a topic here has changed. */
  changed(topic: string, identity: string | undefined): void {
    this.#answers.changed(topic, identity);
  }

  /** Signals may have been missed, here and elsewhere. */
  restored(): void {
    if (this.#hasSubscribers) this.#tell({ type: "hello" });
    this.questions.askAfresh();
  }

  /** Takes in what a process has told; what it does not understand, and what is its own, it ignores. */
  signalled(text: string): void {
    const isWanted = (type: string): boolean => type === (this.#isOver ? "bye" : "want") || this.questions.size > 0;
    const signal = decodeSignal(text, isWanted);
    if (signal?.from === this.#id && signal.type === "bye") this.#onGone();
    if (signal === undefined || signal.from === this.#id || this.#isOver) return;
    if (signal.type === "want" && (signal.of ?? this.#id) === this.#id) {
      this.#answers.lease(signal.topics, now() + LEASE_BEATS * signal.beatMs, signal.afresh);
      this.#start();
    }
    if (this.questions.size > 0) this.questions.hear(signal);
  }

  /**
   * Says good-bye, and lets go of everything. Nobody waits any longer.
   *
   * @returns Resolves when that has been told: when it has come back to this process as well, or has had the time to.
   */
  end(): Promise<void> {
    this.#isOver = true;
    clearInterval(this.#timer);
    this.#answers.end();
    this.questions.end();
    if (!this.#hasSpoken) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, FAREWELL_MS);
      this.#onGone = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#tell({ type: "bye" });
    });
  }

  /** Beats while anybody asks, here or elsewhere. */
  #start(): void {
    if (this.#timer !== undefined) return;
    this.#tickedAt = now();
    this.#ticks = 0;
    this.#timer = unrefInterval(() => this.#tick(), this.#tickMs);
  }

  #tick(): void {
    const time = now();
    const late = time - this.#tickedAt - this.#tickMs;
    const stoodStill = late > this.#tickMs;
    if (stoodStill) this.questions.stoodStill(late);
    this.#tickedAt = time;
    this.questions.lapse();
    for (const topic of this.#answers.lapse()) if (!this.questions.has(topic)) this.#rolls.drop(topic);
    if (this.questions.size === 0 && this.#answers.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      return;
    }
    this.#ticks += 1;
    if (stoodStill || this.#ticks % TICKS_PER_BEAT === 0) this.#beat();
    this.questions.askAgain();
  }

  #beat(): void {
    const isRenewal = this.#ticks % (TICKS_PER_BEAT * RENEWAL_BEATS) === 0 && this.questions.size > 0;
    if (isRenewal) this.questions.renew();
    else this.#tell({ type: "beat" });
  }

  #want(topics: Iterable<string>, afresh: boolean, of?: string): void {
    for (const some of topicsInSignals(topics)) {
      this.#tell({ type: "want", topics: some, afresh, ...(of === undefined ? {} : { of }) });
    }
  }

  #tell(told: Told): void {
    this.#hasSpoken = true;
    this.#signal(encodeSignal({ ...told, from: this.#id, beatMs: this.#beatMs, haves: this.#haves }));
  }
}

import { randomName } from "../../core/random-name.ts";
import { now } from "../../core/clock.ts";
import { unrefInterval, type Timer } from "../../core/timers.ts";
import { Answers } from "./answers.ts";
import { Questions } from "./questions.ts";
import type { Rolls } from "./rolls.ts";
import { decodeSignal, encodeSignal, topicsInSignals, type SignalBody } from "./signals.ts";

/** The lifetime of a lease, in beats of the asking process, and the period of its renewal. */
const LEASE_BEATS = 5;
const RENEWAL_BEATS = 2;
/** The number of ticks in a beat: silence, expiry and retries are checked once a tick. */
const TICKS_PER_BEAT = 4;
/** The time limit of a goodbye, in milliseconds. */
const GOODBYE_TIMEOUT_MS = 500;

/**
 * The exchange of presence between processes, by best-effort signals. `Answers` has this process's side of it,
 * `Questions` that of the others.
 *
 * Any signal may be lost, doubled or reordered. So processes send heartbeats while one of them asks, and number their
 * answers; a process that misses one asks again. `docs/presence.md` has the rules, and processes of other versions
 * follow them: do not change a type of signal, or the times and bounds that it implies, without a new version in
 * `signals.ts`. While no process asks, none may send anything except `hello` and `bye`.
 */
export class Gossip {
  readonly questions: Questions;
  readonly #answers: Answers;
  readonly #beatMs: number;
  readonly #rolls: Rolls;
  readonly #signal: (text: string) => void;
  readonly #id = randomName(16);
  readonly #tickMs: number;
  #havesSent = 0;
  #hasSubscribers = false;
  #hasSignalled = false;
  #isOver = false;
  #onGoodbyeReceived = (): void => undefined;
  #timer: Timer | undefined;
  #tickedAt = 0;
  #ticks = 0;

  /**
   * @param beatMs The period of this process's heartbeats, in milliseconds.
   * @param rolls The rolls of this process.
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
      this.#havesSent += 1;
      this.#send({ type: "have", parts });
    });
  }

  /** Announces this process with its first subscriber: processes that ask do not know of it until then. */
  subscribed(): void {
    if (this.#hasSubscribers) return;
    this.#hasSubscribers = true;
    this.#send({ type: "hello" });
  }

  /** Notes that the number of a topic's subscribers here has changed. */
  changed(topic: string, identity: string | undefined): void {
    this.#answers.changed(topic, identity);
  }

  /** Announces this process again and asks for everything, because signals may have been missed, here and elsewhere. */
  restored(): void {
    if (this.#hasSubscribers) this.#send({ type: "hello" });
    this.questions.askAllAfresh();
  }

  /** Handles a signal of another process. It ignores what it does not understand, and its own signals except `bye`. */
  signalled(text: string): void {
    const isWanted = (type: string): boolean => type === (this.#isOver ? "bye" : "want") || this.questions.size > 0;
    const signal = decodeSignal(text, isWanted);
    if (signal?.from === this.#id && signal.type === "bye") this.#onGoodbyeReceived();
    if (signal === undefined || signal.from === this.#id || this.#isOver) return;
    if (signal.type === "want" && (signal.of ?? this.#id) === this.#id) {
      this.#answers.lease(signal.topics, now() + LEASE_BEATS * signal.beatMs, signal.afresh);
      this.#start();
    }
    if (this.questions.size > 0) this.questions.receive(signal);
  }

  /**
   * Says goodbye, and ends all answers and questions. Pending questions settle.
   *
   * @returns Resolves when the goodbye is sent: when this process receives it back, or after 500 ms.
   */
  end(): Promise<void> {
    this.#isOver = true;
    clearInterval(this.#timer);
    this.#answers.end();
    this.questions.end();
    if (!this.#hasSignalled) return Promise.resolve();
    return new Promise((resolve) => {
      const timer = setTimeout(resolve, GOODBYE_TIMEOUT_MS);
      this.#onGoodbyeReceived = () => {
        clearTimeout(timer);
        resolve();
      };
      this.#send({ type: "bye" });
    });
  }

  /** Starts the ticks, which run while any process asks, here or elsewhere. */
  #start(): void {
    if (this.#timer !== undefined) return;
    this.#tickedAt = now();
    this.#ticks = 0;
    this.#timer = unrefInterval(() => this.#tick(), this.#tickMs);
  }

  #tick(): void {
    const time = now();
    const lateMs = time - this.#tickedAt - this.#tickMs;
    const wasSuspended = lateMs > this.#tickMs;
    if (wasSuspended) this.questions.forgiveSilence(lateMs);
    this.#tickedAt = time;
    this.questions.expire();
    for (const topic of this.#answers.expire()) if (!this.questions.has(topic)) this.#rolls.drop(topic);
    if (this.questions.size === 0 && this.#answers.size === 0) {
      clearInterval(this.#timer);
      this.#timer = undefined;
      return;
    }
    this.#ticks += 1;
    if (wasSuspended || this.#ticks % TICKS_PER_BEAT === 0) this.#beat();
    this.questions.askAgain();
  }

  #beat(): void {
    const isRenewal = this.#ticks % (TICKS_PER_BEAT * RENEWAL_BEATS) === 0 && this.questions.size > 0;
    if (isRenewal) this.questions.renew();
    else this.#send({ type: "beat" });
  }

  #want(topics: Iterable<string>, afresh: boolean, of?: string): void {
    for (const batch of topicsInSignals(topics)) {
      this.#send({ type: "want", topics: batch, afresh, ...(of === undefined ? {} : { of }) });
    }
  }

  #send(body: SignalBody): void {
    this.#hasSignalled = true;
    this.#signal(encodeSignal({ ...body, from: this.#id, beatMs: this.#beatMs, haves: this.#havesSent }));
  }
}

import { CometError } from "../../core/errors.ts";
import { now } from "../../core/clock.ts";
import { Peer } from "./peer.ts";
import type { Roll } from "./rolls.ts";
import type { Signal } from "./signals.ts";

/** A topic is kept up to date for so many beats after the last question. */
const KEEP_BEATS = 15;
/** A process that has been silent for so many of its beats is dead. This is looked at every quarter of a beat: so within 3 beats. */
const SILENT_BEATS = 2.75;
/** How long processes that are not known may take to answer the first question, in milliseconds. */
const ROLL_CALL_MS = 500;
/** How long a question waits for those that are known. */
const QUESTION_MS = 1000;
const MAX_PEERS = 1000;
const MAX_ASKED = 10_000;

/** What questions need of their process. */
export interface QuestionsHost {
  readonly beatMs: number;
  /** Asks for topics, of one process or of all, and for everything if it is wanted afresh. */
  want(topics: Iterable<string>, afresh: boolean, of?: string): void;
  /** A topic is asked for. */
  begins(topic: string): void;
  /** It is not any more. */
  ends(topic: string): void;
  /** Identities of which another process may have told another number than before. */
  changed(topic: string, identities: Iterable<string>): void;
}

/** A topic that somebody in this process asks for. */
interface Asked {
  until: number;
  /** How many need it until they say that they do not. */
  holds: number;
  /** How many processes have not told their state. */
  lacking: number;
  /** Resolves once the first question can be answered. */
  readonly settled: Promise<void>;
  isSettled: boolean;
  /** Does nothing the second time. */
  readonly settle: () => void;
}

/** What this process asks others, and what they have told. While it asks nothing, it knows of nobody. */
export class Questions {
  readonly #host: QuestionsHost;
  readonly #keepMs: number;
  readonly #asked = new Map<string, Asked>();
  readonly #peers = new Map<string, Peer>();
  /** The topics that all are yet to be asked for. */
  #fresh: string[] = [];
  #askedAllAt = -Infinity;
  /** Whether the processes that are alive are known. */
  #isKnown = false;
  #rollCall: ReturnType<typeof setTimeout> | undefined;

  constructor(host: QuestionsHost) {
    this.#host = host;
    this.#keepMs = KEEP_BEATS * host.beatMs;
  }

  get size(): number {
    return this.#asked.size;
  }

  has(topic: string): boolean {
    return this.#asked.has(topic);
  }

  /**
   * Asks for a topic, if it is not known already.
   *
   * @returns Resolves when every process that is known to be alive has told of it, or had the time to.
   * @throws {CometError} `ERR_LIMIT`.
   */
  ask(topic: string): Promise<void> {
    const asked = this.#asked.get(topic) ?? this.#begin(topic);
    asked.until = now() + this.#keepMs;
    return asked.settled;
  }

  /** Asks for a topic, which is not forgotten until it is released as often as it was held. @throws {CometError} `ERR_LIMIT`. */
  hold(topic: string): Promise<void> {
    const settled = this.ask(topic);
    (this.#asked.get(topic) as Asked).holds += 1;
    return settled;
  }

  release(topic: string): void {
    const asked = this.#asked.get(topic);
    if (asked !== undefined) asked.holds -= 1;
  }

  /** Whether the first question for a topic is answered. */
  isSettled(topic: string): boolean {
    return this.#asked.get(topic)?.isSettled === true;
  }

  /** The rolls of a topic in the other processes. */
  rollsOf(topic: string): Roll[] {
    return Array.from(this.#peers.values(), (peer) => peer.rollOf(topic)).filter((roll) => roll !== undefined);
  }

  /** Takes in what another process has told. */
  hear(signal: Signal): void {
    const time = now();
    const known = this.#peers.get(signal.from);
    if (signal.type === "bye") {
      if (known !== undefined) this.#drop(known);
      return;
    }
    if (known === undefined && this.#peers.size >= MAX_PEERS) return;
    const peer = known ?? this.#meet(signal);
    peer.hear(signal, time);
    // What is on its way is not asked for.
    if (peer.isTelling) peer.askedAt = time;
    const isDue = signal.type === "hello" || time - peer.askedAt >= peer.beatMs;
    if (isDue && peer.lacking.size > 0) this.#askAgain(peer);
  }

  /** Asks for what is lacking. */
  askAgain(): void {
    const time = now();
    for (const peer of this.#peers.values()) {
      if (peer.lacking.size > 0 && time - peer.askedAt >= peer.beatMs) this.#askAgain(peer);
    }
  }

  /** Asks for everything: anything may have been missed. */
  askAfresh(): void {
    for (const peer of this.#peers.values()) peer.lackAll();
    this.#askAll([...this.#asked.keys()]);
  }

  /** Says that the topics are wanted still. */
  renew(): void {
    this.#host.want(this.#asked.keys(), false);
  }

  /** For so long nobody could be heard. */
  stoodStill(ms: number): void {
    for (const peer of this.#peers.values()) peer.heardAt += ms;
  }

  /** Forgets the processes that are dead, and the topics that are not asked for any more. */
  lapse(): void {
    const time = now();
    for (const peer of this.#peers.values()) if (time - peer.heardAt > SILENT_BEATS * peer.beatMs) this.#drop(peer);
    for (const [topic, { until, holds, isSettled }] of this.#asked) {
      if (!isSettled || holds > 0 || time <= until) continue;
      this.#asked.delete(topic);
      for (const peer of this.#peers.values()) peer.forget(topic);
      this.#host.ends(topic);
    }
    if (this.#asked.size > 0) return;
    clearTimeout(this.#rollCall);
    this.#isKnown = false;
    this.#peers.clear();
  }

  /** Nobody waits any longer. */
  end(): void {
    clearTimeout(this.#rollCall);
    this.#fresh = [];
    this.#peers.clear();
    for (const asked of this.#asked.values()) asked.settle();
    this.#asked.clear();
  }

  #begin(topic: string): Asked {
    if (this.#asked.size >= MAX_ASKED) {
      throw new CometError("ERR_LIMIT", `The presence of ${MAX_ASKED} topics is asked for already.`);
    }
    if (this.#asked.size === 0) this.#callRoll();
    const asked = newAsked(this.#keepMs);
    this.#asked.set(topic, asked);
    this.#host.begins(topic);
    for (const peer of this.#peers.values()) peer.lack(topic);
    // Many topics may be asked for in one go.
    if (this.#fresh.push(topic) === 1) queueMicrotask(() => this.#askAll(this.#fresh.splice(0)));
    this.#trySettle(asked);
    return asked;
  }

  /** Who has not answered some time after the first question is not known. */
  #callRoll(): void {
    this.#rollCall = setTimeout(() => {
      this.#isKnown = true;
      for (const asked of this.#asked.values()) this.#trySettle(asked);
    }, ROLL_CALL_MS);
  }

  #trySettle(asked: Asked): void {
    if (this.#isKnown && asked.lacking === 0) asked.settle();
  }

  #meet(signal: Signal): Peer {
    const peer = new Peer(signal, now(), {
      asked: this.#asked,
      changed: (topic, identities) => this.#host.changed(topic, identities),
      lacks: (topic, lacks) => {
        const asked = this.#asked.get(topic);
        if (asked === undefined) return;
        asked.lacking += lacks ? 1 : -1;
        if (!lacks) this.#trySettle(asked);
      },
    });
    this.#peers.set(peer.id, peer);
    peer.askedAt = this.#askedAllAt;
    peer.lackAll();
    return peer;
  }

  #drop(peer: Peer): void {
    this.#peers.delete(peer.id);
    peer.leave();
  }

  #askAgain(peer: Peer): void {
    peer.askedAt = now();
    this.#host.want(peer.lacking, true, peer.id);
  }

  #askAll(topics: readonly string[]): void {
    this.#askedAllAt = now();
    for (const peer of this.#peers.values()) peer.askedAt = this.#askedAllAt;
    this.#host.want(topics, true);
  }
}

function newAsked(keepMs: number): Asked {
  let resolve: () => void = () => undefined;
  const settled = new Promise<void>((settle) => (resolve = settle));
  const asked: Asked = {
    until: Infinity,
    holds: 0,
    lacking: 0,
    settled,
    isSettled: false,
    settle: () => {
      if (asked.isSettled) return;
      clearTimeout(timer);
      asked.isSettled = true;
      asked.until = now() + keepMs;
      resolve();
    },
  };
  const timer = setTimeout(asked.settle, QUESTION_MS);
  return asked;
}

import { CometError } from "../../core/errors.ts";
import { now } from "../../core/clock.ts";
import { Peer } from "./peer.ts";
import type { Roll } from "./rolls.ts";
import type { Signal } from "./signals.ts";

/** The number of beats after the last question during which a topic is kept up to date. */
const KEEP_BEATS = 15;
/**
 * The number of its beats after which a silent process is dead. It is checked every quarter of a beat, so a death shows
 * within 3 beats.
 */
const SILENT_BEATS = 2.75;
/** The time in milliseconds that unknown processes have to answer the first question. */
const DISCOVERY_MS = 500;
/** The longest time in milliseconds that a question waits for known processes. */
const QUESTION_MS = 1000;
/** The number of processes that are tracked, and of topics that are asked for. */
const MAX_PEERS = 1000;
const MAX_ASKED = 10_000;

/** The effects of questions on the process. */
export interface QuestionsHost {
  readonly beatMs: number;
  /** Asks one process (`of`) or all for topics; for their whole state if `afresh`. */
  want(topics: Iterable<string>, afresh: boolean, of?: string): void;
  /** Called when a topic is asked for. */
  begins(topic: string): void;
  /** Called when a topic is not asked for any more. */
  ends(topic: string): void;
  /** Called with identities of which another process may have sent a new number. */
  changed(topic: string, identities: Iterable<string>): void;
}

/** A topic that this process asks for. */
interface AskedTopic {
  /** The time by the hub's clock until which it is kept without a further question. */
  until: number;
  /** The number of watches that hold it until they release it. */
  holds: number;
  /** The number of peers whose state is incomplete. */
  incompletePeers: number;
  /** Resolves once the first question can be answered. */
  readonly settled: Promise<void>;
  isSettled: boolean;
  /** Settles the first question. Does nothing the second time. */
  readonly settle: () => void;
}

/**
 * The questions of this process to others, and their answers: a `Peer` for each process that answers.
 *
 * While it asks nothing, it tracks no process and no timer runs. Invariants: a peer's topics are a subset of the asked
 * ones; a topic's `incompletePeers` counts exactly the peers that lack it, or the first question never settles before
 * its time limit.
 */
export class Questions {
  readonly #host: QuestionsHost;
  readonly #keepMs: number;
  readonly #asked = new Map<string, AskedTopic>();
  readonly #peers = new Map<string, Peer>();
  /** The topics that are yet to be asked for. */
  #unasked: string[] = [];
  #askedAllAt = -Infinity;
  /** Whether the discovery of live processes is over. */
  #isDiscoveryOver = false;
  #discovery: ReturnType<typeof setTimeout> | undefined;

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
   * Asks for a topic, unless it is up to date already.
   *
   * @returns Resolves when every process known to be alive has answered, or its time is over.
   * @throws {CometError} `ERR_LIMIT` for the 10,001st topic.
   */
  ask(topic: string): Promise<void> {
    const asked = this.#asked.get(topic) ?? this.#begin(topic);
    asked.until = now() + this.#keepMs;
    return asked.settled;
  }

  /** Asks for a topic, and keeps it until it is released as often as it was held. @throws {CometError} `ERR_LIMIT`. */
  hold(topic: string): Promise<void> {
    const settled = this.ask(topic);
    (this.#asked.get(topic) as AskedTopic).holds += 1;
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

  /** Returns the rolls of a topic in the other processes. */
  rollsOf(topic: string): Roll[] {
    return Array.from(this.#peers.values(), (peer) => peer.rollOf(topic)).filter((roll) => roll !== undefined);
  }

  /** Handles a signal of another process. */
  receive(signal: Signal): void {
    const time = now();
    const known = this.#peers.get(signal.from);
    if (signal.type === "bye") {
      if (known !== undefined) this.#removePeer(known);
      return;
    }
    if (known === undefined && this.#peers.size >= MAX_PEERS) return;
    const peer = known ?? this.#addPeer(signal);
    peer.receive(signal, time);
    // A state that is arriving needs no further question.
    if (peer.isReceivingState) peer.askedAt = time;
    const isDue = signal.type === "hello" || time - peer.askedAt >= peer.beatMs;
    if (isDue && peer.incomplete.size > 0) this.#askPeerAgain(peer);
  }

  /** Asks peers for incomplete topics, each at most once a beat. */
  askAgain(): void {
    const time = now();
    for (const peer of this.#peers.values()) {
      if (peer.incomplete.size > 0 && time - peer.askedAt >= peer.beatMs) this.#askPeerAgain(peer);
    }
  }

  /** Asks all processes for everything, because any signal may have been missed. */
  askAllAfresh(): void {
    for (const peer of this.#peers.values()) peer.markAllIncomplete();
    this.#askAll([...this.#asked.keys()]);
  }

  /** Renews the leases of all asked topics. */
  renew(): void {
    this.#host.want(this.#asked.keys(), false);
  }

  /**
   * Extends the silence allowed to every peer, because this process was suspended for `ms` milliseconds and could not
   * receive.
   */
  forgiveSilence(ms: number): void {
    for (const peer of this.#peers.values()) peer.heardAt += ms;
  }

  /** Removes dead processes, and topics that are not asked for any more. */
  expire(): void {
    const time = now();
    for (const peer of this.#peers.values())
      if (time - peer.heardAt > SILENT_BEATS * peer.beatMs) this.#removePeer(peer);
    for (const [topic, { until, holds, isSettled }] of this.#asked) {
      if (!isSettled || holds > 0 || time <= until) continue;
      this.#asked.delete(topic);
      for (const peer of this.#peers.values()) peer.forget(topic);
      this.#host.ends(topic);
    }
    if (this.#asked.size > 0) return;
    clearTimeout(this.#discovery);
    this.#isDiscoveryOver = false;
    this.#peers.clear();
  }

  /** Ends all questions. Pending ones settle. */
  end(): void {
    clearTimeout(this.#discovery);
    this.#unasked = [];
    this.#peers.clear();
    for (const asked of this.#asked.values()) asked.settle();
    this.#asked.clear();
  }

  #begin(topic: string): AskedTopic {
    if (this.#asked.size >= MAX_ASKED) {
      throw new CometError("ERR_LIMIT", `This process already asks for the presence of ${MAX_ASKED} topics.`);
    }
    if (this.#asked.size === 0) this.#discoverPeers();
    const asked = newAskedTopic(this.#keepMs);
    this.#asked.set(topic, asked);
    this.#host.begins(topic);
    for (const peer of this.#peers.values()) peer.markIncomplete(topic);
    // Topics that are asked for in one turn share one question.
    if (this.#unasked.push(topic) === 1) queueMicrotask(() => this.#askAll(this.#unasked.splice(0)));
    this.#trySettle(asked);
    return asked;
  }

  /** Waits for the answers of processes that are not known yet. One that has not answered by then is not waited for. */
  #discoverPeers(): void {
    this.#discovery = setTimeout(() => {
      this.#isDiscoveryOver = true;
      for (const asked of this.#asked.values()) this.#trySettle(asked);
    }, DISCOVERY_MS);
  }

  #trySettle(asked: AskedTopic): void {
    if (this.#isDiscoveryOver && asked.incompletePeers === 0) asked.settle();
  }

  #addPeer(signal: Signal): Peer {
    const peer = new Peer(signal, now(), {
      asked: this.#asked,
      changed: (topic, identities) => this.#host.changed(topic, identities),
      incompleteChanged: (topic, isIncomplete) => {
        const asked = this.#asked.get(topic);
        if (asked === undefined) return;
        asked.incompletePeers += isIncomplete ? 1 : -1;
        if (!isIncomplete) this.#trySettle(asked);
      },
    });
    this.#peers.set(peer.id, peer);
    peer.askedAt = this.#askedAllAt;
    peer.markAllIncomplete();
    return peer;
  }

  #removePeer(peer: Peer): void {
    this.#peers.delete(peer.id);
    peer.leave();
  }

  #askPeerAgain(peer: Peer): void {
    peer.askedAt = now();
    this.#host.want(peer.incomplete, true, peer.id);
  }

  #askAll(topics: readonly string[]): void {
    this.#askedAllAt = now();
    for (const peer of this.#peers.values()) peer.askedAt = this.#askedAllAt;
    this.#host.want(topics, true);
  }
}

function newAskedTopic(keepMs: number): AskedTopic {
  let resolve: () => void = () => undefined;
  const settled = new Promise<void>((settle) => (resolve = settle));
  const asked: AskedTopic = {
    until: Infinity,
    holds: 0,
    incompletePeers: 0,
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

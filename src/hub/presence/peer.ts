import { Roll } from "./rolls.ts";
import type { Part, Signal } from "./signals.ts";

/** The number of identities kept of one topic of a peer. Further ones are not counted. */
const MAX_IDENTITIES = 1_000_000;

/** The effects of a peer's signals on its owner. */
export interface PeerHost {
  /** The topics whose state is kept. */
  readonly asked: ReadonlyMap<string, unknown>;
  /** Called with identities whose number of subscribers may have changed. */
  changed(topic: string, identities: Iterable<string>): void;
  /** Called when the peer's state of a topic becomes incomplete (`true`) or complete (`false`). */
  incompleteChanged(topic: string, isIncomplete: boolean): void;
}

/**
 * Another process and its subscribers, as far as its signals show.
 *
 * Numbers in signals are absolute, so changes apply in any state. Invariants: a state that comes in several parts
 * replaces the old one only when its last part is here; after a missed `have` every topic is incomplete until the peer
 * sends it whole.
 */
export class Peer {
  readonly id: string;
  heardAt: number;
  beatMs: number;
  /** The time at which it was last asked for its incomplete topics, by the hub's clock. */
  askedAt: number = -Infinity;
  /** The topics whose whole state has not arrived, or of which a signal was missed. */
  readonly incomplete: Set<string> = new Set();
  readonly #rolls = new Map<string, Roll>();
  readonly #host: PeerHost;
  #haves: number;
  /** A state of which only some parts have arrived. */
  #partial: { readonly topic: string; readonly roll: Roll } | undefined;

  constructor({ from, beatMs, haves, type }: Signal, now: number, host: PeerHost) {
    this.id = from;
    this.beatMs = beatMs;
    this.heardAt = now;
    this.#haves = type === "have" ? haves - 1 : haves;
    this.#host = host;
  }

  rollOf(topic: string): Roll | undefined {
    return this.#rolls.get(topic);
  }

  /** Whether a state that takes several signals is arriving. */
  get isReceivingState(): boolean {
    return this.#partial !== undefined;
  }

  /** Handles a signal of this peer. If a signal before it was missed, every topic is incomplete. */
  receive(signal: Signal, now: number): void {
    this.heardAt = now;
    this.beatMs = signal.beatMs;
    if (signal.type !== "have") {
      this.#noteSent(signal.haves);
      return;
    }
    // A late signal is out of date.
    if (signal.haves <= this.#haves) return;
    this.#noteSent(signal.haves - 1);
    this.#haves = signal.haves;
    for (const part of signal.parts) this.#applyPart(part);
  }

  /** Marks a topic as incomplete. */
  markIncomplete(topic: string): void {
    if (this.incomplete.has(topic)) return;
    this.incomplete.add(topic);
    this.#host.incompleteChanged(topic, true);
  }

  /** Marks every topic that is asked for as incomplete. */
  markAllIncomplete(): void {
    for (const topic of this.#host.asked.keys()) this.markIncomplete(topic);
  }

  /** Drops a topic that is not asked for any more. */
  forget(topic: string): void {
    this.#rolls.delete(topic);
    this.#markComplete(topic);
    if (this.#partial?.topic === topic) this.#partial = undefined;
  }

  /** Drops all subscribers of this peer, because it is gone. */
  leave(): void {
    for (const topic of [...this.incomplete]) this.#markComplete(topic);
    for (const [topic, { identities }] of this.#rolls) {
      this.#rolls.delete(topic);
      this.#host.changed(topic, identities.keys());
    }
  }

  /** Notes that the peer has sent this many `have`, and that some were missed if fewer arrived. */
  #noteSent(haves: number): void {
    if (haves <= this.#haves) return;
    this.#haves = haves;
    this.#partial = undefined;
    this.markAllIncomplete();
  }

  #markComplete(topic: string): void {
    if (this.incomplete.delete(topic)) this.#host.incompleteChanged(topic, false);
  }

  #applyPart({ topic, replaces, continues, anonymous, identities }: Part): void {
    if (!this.#host.asked.has(topic)) return;
    if (replaces) this.#partial = { topic, roll: new Roll() };
    if (this.#partial?.topic !== topic) {
      // Numbers are absolute: a change is right whether the state that it changes is complete or not.
      const roll = this.#rolls.get(topic);
      if (roll === undefined) return;
      fill(roll, anonymous, identities);
      this.#host.changed(
        topic,
        identities.map(([identity]) => identity),
      );
      return;
    }
    const { roll } = this.#partial;
    fill(roll, anonymous, identities);
    if (continues) return;
    this.#partial = undefined;
    const before = this.#rolls.get(topic);
    this.#rolls.set(topic, roll);
    this.#host.changed(topic, differing(before, roll));
    this.#markComplete(topic);
  }
}

function fill(roll: Roll, anonymous: number, identities: Part["identities"]): void {
  roll.anonymous = anonymous;
  for (const [identity, count] of identities) {
    if (roll.identities.size < MAX_IDENTITIES || roll.identities.has(identity)) roll.set(identity, count);
  }
}

function* differing(before: Roll | undefined, after: Roll): Generator<string> {
  for (const [identity, count] of after.identities) if (before?.countOf(identity) !== count) yield identity;
  for (const identity of before?.identities.keys() ?? []) if (after.countOf(identity) === 0) yield identity;
}

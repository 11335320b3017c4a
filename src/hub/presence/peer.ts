import { Roll } from "./rolls.ts";
import type { Part, Signal } from "./signals.ts";

/** More identities of one topic are not kept of one process. */
const MAX_IDENTITIES = 1_000_000;

/** Told of what a process's signal has changed here. */
export interface PeerHost {
  /** The topics whose state is to be kept. */
  readonly asked: ReadonlyMap<string, unknown>;
  /** The identities whose number of subscribers may be another one. */
  changed(topic: string, identities: Iterable<string>): void;
  /** The topic's whole state is here, or is not. */
  lacks(topic: string, lacks: boolean): void;
}

/** Another process, as far as its signals tell. */
export class Peer {
  readonly id: string;
  heardAt: number;
  beatMs: number;
  /** When it was last asked for what is lacking. */
  askedAt: number = -Infinity;
  /** The topics of which its whole state has not come, or of which something was missed. */
  readonly lacking: Set<string> = new Set();
  readonly #rolls = new Map<string, Roll>();
  readonly #host: PeerHost;
  #haves: number;
  /** A state of which only some parts are here. */
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

  /** Whether it is telling a state that needs several signals. */
  get isTelling(): boolean {
    return this.#partial !== undefined;
  }

  /** Takes a signal in. If something was missed before it, everything is lacking. */
  hear(signal: Signal, now: number): void {
    this.heardAt = now;
    this.beatMs = signal.beatMs;
    if (signal.type !== "have") {
      this.#told(signal.haves);
      return;
    }
    // What comes late says what is no more.
    if (signal.haves <= this.#haves) return;
    this.#told(signal.haves - 1);
    this.#haves = signal.haves;
    for (const part of signal.parts) this.#take(part);
  }

  lack(topic: string): void {
    if (this.lacking.has(topic)) return;
    this.lacking.add(topic);
    this.#host.lacks(topic, true);
  }

  lackAll(): void {
    for (const topic of this.#host.asked.keys()) this.lack(topic);
  }

  forget(topic: string): void {
    this.#rolls.delete(topic);
    this.#complete(topic);
    if (this.#partial?.topic === topic) this.#partial = undefined;
  }

  /** It is gone, with all who follow anything there. */
  leave(): void {
    for (const topic of [...this.lacking]) this.#complete(topic);
    for (const [topic, { identities }] of this.#rolls) {
      this.#rolls.delete(topic);
      this.#host.changed(topic, identities.keys());
    }
  }

  /** So much has been told up to now. */
  #told(haves: number): void {
    if (haves <= this.#haves) return;
    this.#haves = haves;
    this.#partial = undefined;
    this.lackAll();
  }

  #complete(topic: string): void {
    if (this.lacking.delete(topic)) this.#host.lacks(topic, false);
  }

  #take({ topic, begins, goesOn, anonymous, identities }: Part): void {
    if (!this.#host.asked.has(topic)) return;
    if (begins) this.#partial = { topic, roll: new Roll() };
    if (this.#partial?.topic !== topic) {
      // Numbers are absolute: so a change is right whether the state that it changes is or not.
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
    if (goesOn) return;
    this.#partial = undefined;
    const before = this.#rolls.get(topic);
    this.#rolls.set(topic, roll);
    this.#host.changed(topic, differing(before, roll));
    this.#complete(topic);
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

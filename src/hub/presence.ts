import { CometError } from "../core/errors.ts";
import type { OnError } from "../core/on-error.ts";
import { Enumerator } from "../stream/enumerator.ts";
import { END } from "../stream/run.ts";
import { Gossip } from "./presence-gossip.ts";
import { Roll } from "./presence-roll.ts";
import { Watch, type PresenceChange } from "./presence-watch.ts";

/** Who follows a topic now, in all processes. */
export interface Presence {
  /** How many there are, of whichever identity, or of none. */
  readonly subscribers: number;
  /** How many subscribers each identity has. */
  readonly identities: ReadonlyMap<string, number>;
}

/** A connection, as far as it counts. */
export interface Attendant {
  readonly identity: string | undefined;
  readonly group: { readonly topics: readonly { readonly log: { readonly topic: string } }[] };
}

/** What presence needs of its hub. */
export interface PresencesHost {
  readonly beatMs: number;
  readonly graceMs: number;
  /** Those who are connected now. */
  readonly connections: Iterable<Attendant>;
  /** Tells all processes, if there are others. */
  readonly signal: ((text: string) => void) | undefined;
  readonly onError: OnError;
}

/** Who follows the topics that somebody asks about, here or, by gossip, in other processes. For others nothing is kept. */
export class Presences {
  readonly #host: PresencesHost;
  readonly #gossip: Gossip | undefined;
  /** Who follows, of this process, the topics that are asked for. */
  readonly #rolls = new Map<string, Roll>();
  readonly #watches = new Map<string, Watch>();
  #isClosed = false;

  constructor(host: PresencesHost) {
    this.#host = host;
    const { signal, beatMs } = host;
    if (signal === undefined) return;
    this.#gossip = new Gossip({
      beatMs,
      signal: (text) => {
        try {
          signal(text);
        } catch (error) {
          host.onError(error);
        }
      },
      keep: (topics) => this.#keep(topics),
      rollOf: (topic) => this.#rolls.get(topic) as Roll,
      lapsed: (topic) => this.#rolls.delete(topic),
      changed: (topic, identities) => {
        const watch = this.#watches.get(topic);
        if (watch !== undefined) for (const identity of identities) watch.touch(identity);
      },
    });
  }

  /** @returns Rejects with `ERR_CLOSED`, `ERR_LIMIT`. */
  async of(topic: string): Promise<Presence> {
    this.#assertOpen();
    await this.#gossip?.questions.ask(topic);
    this.#assertOpen();
    const identities = new Map<string, number>();
    let subscribers = 0;
    for (const roll of this.#rollsOf(topic)) {
      subscribers += roll.subscribers;
      for (const [identity, count] of roll.identities) {
        identities.set(identity, (identities.get(identity) ?? 0) + count);
      }
    }
    return { subscribers, identities };
  }

  changes(topic: string): Enumerator<PresenceChange> {
    return new Enumerator((wake) => {
      if (this.#isClosed) return { poll: () => END, close: () => undefined };
      return (this.#watches.get(topic) ?? this.#watch(topic)).open(wake);
    });
  }

  /** Somebody has connected. */
  add(connection: Attendant): void {
    this.#gossip?.subscribed();
    if (this.#rolls.size > 0) this.#change(connection, 1);
  }

  /** Somebody is connected no more. */
  remove(connection: Attendant): void {
    if (this.#rolls.size > 0) this.#change(connection, -1);
  }

  /** Another process has told something, or this one. */
  signalled(text: string): void {
    this.#gossip?.signalled(text);
  }

  /** The connection to other processes is there again. */
  restored(): void {
    if (!this.#isClosed) this.#gossip?.restored();
  }

  /** Tells others that nobody is here any more, and resolves when that is done. Changes end. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const watch of this.#watches.values()) watch.end();
    await this.#gossip?.end();
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new CometError("ERR_CLOSED", "The hub is closed.");
  }

  #change({ identity, group }: Attendant, by: 1 | -1): void {
    for (const { log } of group.topics) {
      const roll = this.#rolls.get(log.topic);
      if (roll === undefined) continue;
      roll.change(identity, by);
      this.#gossip?.changed(log.topic, identity);
      if (identity !== undefined) this.#watches.get(log.topic)?.touch(identity);
    }
  }

  #watch(topic: string): Watch {
    const watch = new Watch({
      graceMs: this.#host.graceMs,
      countOf: (identity) => this.#rollsOf(topic).reduce((sum, roll) => sum + roll.countOf(identity), 0),
      subscribers: () => this.#rollsOf(topic).reduce((sum, roll) => sum + roll.subscribers, 0),
      left: () => {
        this.#watches.delete(topic);
        if (this.#gossip === undefined) this.#rolls.delete(topic);
        else this.#gossip.questions.release(topic);
      },
    });
    const begin = (): void => {
      if (this.#watches.get(topic) === watch)
        watch.begin(this.#rollsOf(topic).flatMap((roll) => [...roll.identities.keys()]));
    };
    const settled = this.#gossip?.questions.hold(topic);
    this.#watches.set(topic, watch);
    this.#keep([topic]);
    // Between what `of` has told and what is told from now on, nothing is to be missed.
    if (settled === undefined || this.#gossip?.questions.isSettled(topic) === true) begin();
    else void settled.then(begin);
    return watch;
  }

  /** The rolls of a topic in all processes. */
  #rollsOf(topic: string): Roll[] {
    const own = this.#rolls.get(topic) ?? this.#count([topic]).get(topic);
    return [...(own === undefined ? [] : [own]), ...(this.#gossip?.questions.rollsOf(topic) ?? [])];
  }

  #keep(topics: readonly string[]): void {
    const fresh = topics.filter((topic) => !this.#rolls.has(topic));
    if (fresh.length === 0) return;
    for (const [topic, roll] of this.#count(fresh)) this.#rolls.set(topic, roll);
  }

  /** Counts who follows topics here, in one go for all of them. */
  #count(topics: readonly string[]): Map<string, Roll> {
    const rolls = new Map(topics.map((topic) => [topic, new Roll()]));
    for (const { identity, group } of this.#host.connections) {
      for (const { log } of group.topics) rolls.get(log.topic)?.change(identity, 1);
    }
    return rolls;
  }
}

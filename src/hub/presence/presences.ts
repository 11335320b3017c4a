import { CometError } from "../../core/errors.ts";
import { Enumerator } from "../../stream/enumerator.ts";
import { END } from "../../stream/run.ts";
import type { HubSettings } from "../hub-settings.ts";
import type { Subscriptions } from "../delivery/subscriptions.ts";
import type { Presence, PresenceChange } from "../topic.ts";
import { Gossip } from "./gossip.ts";
import { Rolls, type Attendee, type Roll } from "./rolls.ts";
import { Watch } from "./watch.ts";

/**
 * The presence of a hub's topics: the subscribers of topics that the application asks about, here and, over the broker,
 * in other processes.
 *
 * Presence costs nothing for topics that no process asks about; keep it so. It observes `Subscriptions` and never
 * changes them. An identity's `join` and `leave` come from `Watch`, counts from `Rolls` and `Gossip`.
 */
export class Presences {
  readonly #graceMs: number;
  readonly #rolls: Rolls;
  readonly #gossip: Gossip | undefined;
  readonly #watches = new Map<string, Watch>();
  #isClosed = false;

  constructor({ presence, broker, onError }: HubSettings, subscriptions: Subscriptions) {
    this.#graceMs = presence.graceMs;
    this.#rolls = new Rolls(subscriptions.connections);
    subscriptions.observe((subscription, change) => {
      if (change === 1) this.#gossip?.subscribed();
      if (this.#rolls.size > 0) this.#change(subscription, change);
    });
    if (broker === undefined) return;
    const signal = (text: string): void => {
      try {
        broker.signal(text);
      } catch (error) {
        onError(error);
      }
    };
    this.#gossip = new Gossip(presence.beatMs, this.#rolls, signal, (topic, identities) => {
      const watch = this.#watches.get(topic);
      if (watch !== undefined) for (const identity of identities) watch.update(identity);
    });
  }

  /** Implements `Topic.presence`. @returns Rejects with `ERR_CLOSED`, `ERR_LIMIT`. */
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

  /** Implements `Topic.presenceChanges`. */
  changes(topic: string): Enumerator<PresenceChange> {
    return new Enumerator((wake) => {
      if (this.#isClosed) return { poll: () => END, close: () => undefined };
      return (this.#watches.get(topic) ?? this.#watch(topic)).open(wake);
    });
  }

  /** Handles a signal of a process, this one included. */
  signalled(text: string): void {
    this.#gossip?.signalled(text);
  }

  /** Notes that the broker has reconnected. */
  restored(): void {
    if (!this.#isClosed) this.#gossip?.restored();
  }

  /** Says goodbye to the other processes, and resolves when that is done. Enumerators of changes end. */
  async close(): Promise<void> {
    this.#isClosed = true;
    for (const watch of this.#watches.values()) watch.end();
    await this.#gossip?.end();
  }

  #assertOpen(): void {
    if (this.#isClosed) throw new CometError("ERR_CLOSED", "The hub is closed.");
  }

  #change({ identity, topics }: Attendee, by: 1 | -1): void {
    for (const topic of topics) {
      const roll = this.#rolls.get(topic);
      if (roll === undefined) continue;
      roll.change(identity, by);
      this.#gossip?.changed(topic, identity);
      if (identity !== undefined) this.#watches.get(topic)?.update(identity);
    }
  }

  #watch(topic: string): Watch {
    const watch = new Watch(
      this.#graceMs,
      () => this.#rollsOf(topic),
      () => {
        this.#watches.delete(topic);
        if (this.#gossip === undefined) this.#rolls.drop(topic);
        else this.#gossip.questions.release(topic);
      },
    );
    const begin = (): void => {
      if (this.#watches.get(topic) === watch) watch.begin();
    };
    const settled = this.#gossip?.questions.hold(topic);
    this.#watches.set(topic, watch);
    this.#rolls.keep([topic]);
    // No change may be missed between the answer of `of` and the first change that is emitted.
    if (settled === undefined || this.#gossip?.questions.isSettled(topic) === true) begin();
    else void settled.then(begin);
    return watch;
  }

  /** Returns the rolls of a topic in all processes. */
  #rollsOf(topic: string): Roll[] {
    return [this.#rolls.count(topic), ...(this.#gossip?.questions.rollsOf(topic) ?? [])];
  }
}

import type { ControlItems, WireMessage } from "../../../src/wire/item.ts";
import { placesOf, positionOf, samePlace, type Place } from "./position.ts";
import { TopicLedger, type Truth } from "./topic-ledger.ts";

/** What soaks publish: the topic, a number that runs on within it from 1 over all epochs, and what fills the message up. */
export interface Numbered {
  readonly t: string;
  readonly n: number;
  readonly k?: string;
  readonly fill: string;
}

/**
 * What one client has had of its topics, checked item by item. It throws as soon as the stream is not what PROTOCOL.md says: a
 * message lost without a gap, had twice, out of order; a gap that does not cost what it says.
 */
export class Ledger {
  readonly topics: ReadonlyMap<string, TopicLedger>;
  /** The last items, for the report of a violation. */
  readonly #history: string[] = [];

  /** @param latest Whether stale messages may be left out in the middle, as the policy `latest` does. */
  constructor(topics: readonly string[], truth: Truth, latest = false) {
    this.topics = new Map(topics.map((topic) => [topic, new TopicLedger(topic, truth, latest)]));
  }

  /** What the client comes back with; empty before it has any place. */
  get position(): string {
    const places = new Map<string, Place>();
    for (const [topic, { place }] of this.topics) if (place !== undefined) places.set(topic, place);
    return positionOf(places);
  }

  get history(): string {
    return this.#history.join("\n    ");
  }

  open(item: ControlItems["open"]): void {
    this.note("open", item);
    const places = placesOf(item.position);
    for (const [topic, ledger] of this.topics) ledger.open(item.states[topic], places.get(topic));
    if (places.size !== this.topics.size) throw new Error("The position of an open names other topics.");
  }

  message({ id, key, data }: WireMessage): void {
    const message = data as unknown as Numbered;
    this.note("message", id, message.n);
    const ledger = this.#of(message.t);
    if (key !== undefined && key !== message.k) throw new Error(`A message came with the key ${key}.`);
    const places = placesOf(id);
    for (const [topic, place] of places) {
      if (topic === message.t) ledger.message(place, message);
      else if (!samePlace(place, this.#of(topic).place)) throw new Error(`A message's id misplaces ${topic}.`);
    }
    if (!places.has(message.t)) throw new Error("The id of a message does not name its topic.");
  }

  gap(item: ControlItems["gap"]): void {
    this.note("gap", item);
    this.#of(item.topic).gap(item.missed, placesOf(item.position).get(item.topic));
  }

  end(item: ControlItems["end"]): void {
    this.note("end", item);
    const places = placesOf(item.position);
    for (const [topic, ledger] of this.topics) ledger.end(places.get(topic));
  }

  /** The connection is over, with or without an end. */
  over(why: string): void {
    this.note("over", why);
    for (const ledger of this.topics.values()) ledger.over();
  }

  note(what: string, ...more: (string | number | object)[]): void {
    if (this.#history.length === 30) this.#history.shift();
    this.#history.push([what, ...more.map((part) => JSON.stringify(part))].join(" "));
  }

  #of(topic: string): TopicLedger {
    const ledger = this.topics.get(topic);
    if (ledger === undefined) throw new Error(`A client was sent something of ${topic}, which it does not follow.`);
    return ledger;
  }
}

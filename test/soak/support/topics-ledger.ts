import type { ControlItems, OpenState } from "../../../src/wire/item.ts";
import { placesOf, positionOf, samePlace, type Place } from "./position.ts";

/** What one client has had of one topic. */
interface OneTopic {
  readonly place: Place | undefined;
  open(state: OpenState | undefined, here: Place | undefined): void;
  gap(missed: number | null, here: Place | undefined): void;
  end(here: Place | undefined): void;
  over(): void;
}

/** What one client has had of its topics: gives each what is said of it, and knows the position that the client comes back with. */
export abstract class TopicsLedger<T extends OneTopic> {
  readonly topics: ReadonlyMap<string, T>;
  /** The last items, for the report of a violation. */
  readonly #history: string[] = [];

  constructor(topics: ReadonlyMap<string, T>) {
    this.topics = topics;
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

  gap(item: ControlItems["gap"]): void {
    this.note("gap", item);
    this.of(item.topic).gap(item.missed, placesOf(item.position).get(item.topic));
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

  /** Where the id of a message of one topic leads there; those of others may not have moved. */
  protected placeIn(topic: string, id: string): Place {
    const places = placesOf(id);
    for (const [other, place] of places) {
      if (other !== topic && !samePlace(place, this.of(other).place))
        throw new Error(`The id ${id} misplaces ${other}.`);
    }
    const place = places.get(topic);
    if (place === undefined) throw new Error("The id of a message does not name its topic.");
    return place;
  }

  protected of(topic: string): T {
    const ledger = this.topics.get(topic);
    if (ledger === undefined) throw new Error(`A client was sent something of ${topic}, which it does not follow.`);
    return ledger;
  }
}

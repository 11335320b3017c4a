import type { OpenState } from "../../../src/wire/item.ts";
import type { Numbered } from "./ledger.ts";
import { samePlace, type Place } from "./position.ts";

/** Which running number each epoch of a topic begins after: one answer for all clients, and at the end the publisher's. */
export class Truth {
  readonly #bases = new Map<string, number>();

  /** @throws {Error} if the message with this number is not the one that was published at this place. */
  check(topic: string, { epoch, offset }: Place, n: number): void {
    const key = `${topic} ${epoch}`;
    const base = this.#bases.get(key);
    if (base === undefined) this.#bases.set(key, n - offset);
    else if (base !== n - offset) throw new Error(`${topic}: number ${n} came at offset ${offset}, not ${n - base}.`);
  }

  /** @throws {Error} if clients have seen another numbering of an epoch than its publisher. */
  confirm(topic: string, epoch: string, base: number): void {
    const seen = this.#bases.get(`${topic} ${epoch}`);
    if (seen !== undefined && seen !== base) throw new Error(`${topic}: an epoch began after ${seen}, not ${base}.`);
  }
}

/** What one client has had of one topic. */
export class TopicLedger {
  /** After the last message that it has had, or been told that it cannot have. */
  place: Place | undefined;
  had = 0;
  /** Messages that numbered gaps have cost. */
  missed = 0;
  gaps = 0;
  /** Gaps whose cost is not known: of another epoch. */
  unknownGaps = 0;
  /** Of each key, the number of the newest message. */
  readonly newest = new Map<string, number>();
  readonly #topic: string;
  readonly #truth: Truth;
  readonly #latest: boolean;
  #lastN = 0;
  /** Where the client was when an open told it of a gap whose item has not come. */
  #beforeGap: Place | undefined;
  /** How many messages may be left out of what comes: what gaps of the policy `latest` have told. */
  #allowed = 0;

  constructor(topic: string, truth: Truth, latest: boolean) {
    this.#topic = topic;
    this.#truth = truth;
    this.#latest = latest;
  }

  open(state: OpenState | undefined, here: Place | undefined): void {
    const before = this.place;
    if (here === undefined) throw this.#wrong("an open does not say where it begins");
    if ((state === "fresh") !== (before === undefined)) throw this.#wrong(`it opened ${String(state)}`);
    if (state === "recovered" && !samePlace(before, here)) throw this.#wrong("a recovery begins elsewhere");
    if (state === "gap") this.#beforeGap = before;
    this.#allowed = 0;
    this.place = here;
  }

  message(place: Place, { n, k }: Numbered): void {
    if (this.#beforeGap !== undefined) throw this.#wrong("a message came before the gap that the open told of");
    this.#moveTo(place, place.offset - 1);
    this.#truth.check(this.#topic, place, n);
    if (n <= this.#lastN) throw this.#wrong(`number ${n} came after ${this.#lastN}`);
    this.#lastN = n;
    this.had += 1;
    if (k !== undefined) this.newest.set(k, n);
  }

  gap(missed: number | null, here: Place | undefined): void {
    const before = this.#beforeGap ?? this.place;
    if (here === undefined || before === undefined) throw this.#wrong("a gap has no place");
    if (missed === null) {
      if (this.#beforeGap === undefined || before.epoch === here.epoch) throw this.#wrong("nobody knows a gap's cost");
      this.unknownGaps += 1;
    } else {
      this.#checkCost(missed, before, here);
      this.missed += missed;
      this.gaps += 1;
    }
    if (this.#beforeGap !== undefined && !samePlace(here, this.place)) throw this.#wrong("an open was elsewhere");
    this.#beforeGap = undefined;
    this.place = here;
  }

  end(here: Place | undefined): void {
    if (here === undefined) throw this.#wrong("an end has no place");
    if (this.#beforeGap !== undefined) throw this.#wrong("an end came before the gap that the open told of");
    this.#moveTo(here, here.offset);
  }

  over(): void {
    this.#beforeGap = undefined;
  }

  /** A gap's figure must be the very hole; under `latest`, what is left out of the messages that follow. */
  #checkCost(missed: number, before: Place, here: Place): void {
    if (missed <= 0 || before.epoch !== here.epoch) throw this.#wrong(`a gap of ${missed} came`);
    if (this.#latest && before.offset === here.offset) this.#allowed += missed;
    else if (here.offset - before.offset !== missed) {
      throw this.#wrong(`a gap of ${missed} leads from ${before.offset} to ${here.offset}`);
    }
  }

  /** Goes on to a place, having had everything up to it but what lies between the last place and `through`. */
  #moveTo(place: Place, through: number): void {
    const before = this.place;
    if (before === undefined || before.epoch !== place.epoch) throw this.#wrong(`it went on in ${place.epoch}`);
    const hole = through - before.offset;
    if (hole < 0 || hole > this.#allowed) throw this.#wrong(`after ${before.offset} came ${place.offset}`);
    this.#allowed -= hole;
    this.place = place;
  }

  #wrong(what: string): Error {
    return new Error(`${this.#topic}, at ${this.place === undefined ? "no place" : this.place.offset}: ${what}.`);
  }
}

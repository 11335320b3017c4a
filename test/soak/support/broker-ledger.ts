import type { OpenState, WireMessage } from "../../../src/wire/item.ts";
import type { ClientLedger } from "./client.ts";
import type { Numbered } from "./ledger.ts";
import { countUpTo, type Sequence, type TopicTruth } from "./broker-truth.ts";
import { samePlace, type Place } from "./position.ts";
import { TopicsLedger } from "./topics-ledger.ts";

/** What gaps are to be: there may be none, or only of what the bounds of a log have let go of. */
export interface GapRule {
  /** How many messages a topic keeps; undefined where nothing may be missing. */
  readonly maxEntries: number | undefined;
  /** Whether the offsets of a topic are 1, 2, 3 ...: then a gap within an epoch says how many messages it is. */
  readonly isDense: boolean;
}

interface Gap {
  readonly missed: number | null;
  /** How many messages had been given to hubs when it was told. */
  readonly given: number;
}

/** What takes the place of a message's number in the record of a move without a message, and what the first gap has. */
const MOVED = -1;
const FIRST_GAP = -2;

/**
 * What one client has had of one topic, noted to be checked when all is known: between a client and the truth, which numbers need not
 * be without holes, nothing more can be said before.
 */
export class BrokerTopicLedger {
  place: Place | undefined;
  had = 0;
  readonly gaps: Gap[] = [];
  readonly #truth: TopicTruth;
  /** Where each step led, and which message it brought; or what it was instead. */
  readonly #offsets: number[] = [];
  readonly #steps: number[] = [];
  #awaitsGap = false;

  constructor(truth: TopicTruth) {
    this.#truth = truth;
  }

  open(state: OpenState | undefined, here: Place | undefined): void {
    if (here === undefined) throw this.#wrong("an open does not say where it begins");
    if ((state === "fresh") !== (this.place === undefined)) throw this.#wrong(`it opened ${String(state)}`);
    this.#awaitsGap = state === "gap";
    if (!this.#awaitsGap) this.#move(here);
  }

  message(place: Place, n: number): void {
    if (this.#awaitsGap) throw this.#wrong("a message came before the gap that the open told of");
    if (samePlace(place, this.place)) throw this.#wrong("a message came twice");
    this.#step(place, n);
    this.had += 1;
  }

  gap(missed: number | null, here: Place | undefined): void {
    if (here === undefined || this.place === undefined) throw this.#wrong("a gap has no place");
    this.#awaitsGap = false;
    this.#step(here, FIRST_GAP - this.gaps.length);
    this.gaps.push({ missed, given: this.#truth.given });
  }

  end(here: Place | undefined): void {
    if (here === undefined) throw this.#wrong("an end has no place");
    if (this.#awaitsGap) throw this.#wrong("an end came before the gap that the open told of");
    this.#move(here);
  }

  over(): void {
    this.#awaitsGap = false;
  }

  /** @throws {Error} if it has not had exactly the sequence, from where it began, but for gaps that are right. */
  check(sequence: Sequence, rule: GapRule): void {
    let next = 0;
    for (const [i, offset] of this.#offsets.entries()) {
      const step = this.#steps[i] as number;
      const through = countUpTo(sequence, offset);
      if (i === 0) next = through;
      else if (step === MOVED) {
        if (through > next) throw this.#lost(sequence, next, through);
        // Between two messages, one place is as good as another.
        if (through < next) throw this.#wrong(`it went back to ${offset}`);
      } else if (step > 0) {
        if (sequence.offsets[through - 1] !== offset || sequence.numbers[through - 1] !== step) {
          throw this.#wrong(
            `message ${step} came at ${offset}, where there is ${String(sequence.numbers[through - 1])}`,
          );
        }
        if (through - 1 > next) throw this.#lost(sequence, next, through - 1);
        if (through - 1 < next) throw this.#wrong(`message ${step} came again`);
        next = through;
      } else {
        this.#checkGap(this.gaps[FIRST_GAP - step] as Gap, through - next, through, rule);
        next = through;
      }
    }
    if (next < sequence.offsets.length) throw this.#lost(sequence, next, sequence.offsets.length);
  }

  /** A gap leads to a place after so many messages, so many of which the client has not had. */
  #checkGap({ missed, given }: Gap, missing: number, through: number, { maxEntries, isDense }: GapRule): void {
    if (maxEntries === undefined) throw this.#wrong(`a gap of ${missed} came, and nothing was let go of`);
    if (missed !== null && missed !== missing) throw this.#wrong(`a gap of ${missed} is one of ${missing}`);
    if (isDense && missed === null) throw this.#wrong("a gap does not know its cost");
    // Where numbers do not tell, it may be that nothing is missing.
    if (missing === 0 && missed === null) return;
    if (missing === 0) throw this.#wrong("there is a gap where nothing is missing");
    if (through > given - maxEntries) {
      throw this.#wrong(
        `a gap up to message ${through} came when at most ${given} were published of ${maxEntries} kept`,
      );
    }
  }

  #move(here: Place): void {
    if (!samePlace(here, this.place)) this.#step(here, MOVED);
  }

  #step(here: Place, step: number): void {
    const before = this.place;
    if (before !== undefined) {
      if (before.epoch !== here.epoch) throw this.#wrong(`the epoch ${before.epoch} became ${here.epoch}`);
      if (here.offset <= before.offset && step !== MOVED)
        throw this.#wrong(`after ${before.offset} came ${here.offset}`);
    }
    this.place = here;
    this.#offsets.push(here.offset);
    this.#steps.push(step);
  }

  #lost({ offsets, numbers }: Sequence, from: number, to: number): Error {
    return this.#wrong(`${to - from} messages are lost, the first ${numbers[from]} at ${offsets[from]}`);
  }

  #wrong(what: string): Error {
    return new Error(`${this.#truth.topic}, at ${this.place === undefined ? "no place" : this.place.offset}: ${what}.`);
  }
}

/** What one client has had of its topics. */
export class BrokerLedger extends TopicsLedger<BrokerTopicLedger> implements ClientLedger {
  constructor(truths: readonly TopicTruth[]) {
    super(new Map(truths.map((truth) => [truth.topic, new BrokerTopicLedger(truth)])));
  }

  get had(): number {
    return this.#sum(({ had }) => had);
  }

  get gaps(): number {
    return this.#sum(({ gaps }) => gaps.length);
  }

  get missed(): number {
    return this.#sum(({ gaps }) => gaps.reduce((sum, { missed }) => sum + (missed ?? 0), 0));
  }

  message({ id, messageId, data }: WireMessage): void {
    const { t, n } = data as unknown as Numbered;
    this.note("message", id, n);
    if (messageId !== undefined && messageId !== messageIdOf(t, n)) throw new Error(`${t} ${n} came as ${messageId}.`);
    this.of(t).message(this.placeIn(t, id), n);
  }

  #sum(of: (ledger: BrokerTopicLedger) => number): number {
    return Array.from(this.topics.values()).reduce((sum, ledger) => sum + of(ledger), 0);
  }
}

/** The id by which a message is published again. */
export function messageIdOf(topic: string, n: number): string {
  return `${topic} ${n}`;
}

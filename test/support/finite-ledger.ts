import { expect } from "vitest";
import type { Outcome } from "../../src/wire/item.ts";
import { placesOf, positionOf, samePlace, type Place } from "../soak/support/position.ts";
import type { WireItem } from "./decoders/wire-item.ts";
import type { FiniteMessage, FiniteWorld } from "./finite-world.ts";

/** What readers have had, as a measure of what a test covers. */
export class FiniteCounts {
  messages = 0;
  missed = 0;
  /** Gaps to another life of the topic. */
  renewed = 0;
  ends = 0;
  missing = 0;
  expired = 0;
  refused = 0;
  refusedAsExpired = 0;
  waits = 0;
}

/** What a reader has had of one topic. */
interface Had {
  place: Place | undefined;
  awaitsGap: boolean;
  /** How many messages the policy `latest` has said that it leaves out of what follows. */
  allowed: number;
  outcome: Outcome | "missing" | undefined;
  /** The place of the last gap, until something follows it. */
  gap: Place | undefined;
}

/** A request, and what was known of each topic at its time. */
export interface Asked {
  readonly wire: string;
  readonly at: number;
  readonly removals: ReadonlyMap<string, number>;
  /** The topics that have expired, surely or maybe. */
  readonly expired: readonly string[];
  readonly mayBeExpired: readonly string[];
}

/** What a reader of finite topics has had. It checks everything that the reader is sent. */
export class FiniteLedger {
  isDone = false;
  readonly #world: FiniteWorld;
  readonly #counts: FiniteCounts;
  readonly #topics: readonly string[];
  readonly #had: ReadonlyMap<string, Had>;
  #asked: Asked | undefined;
  #hasOpened = false;
  /** The expired topics that the stream is to name before anything else. */
  readonly #unnamed = new Set<string>();

  constructor(world: FiniteWorld, topics: readonly string[], counts: FiniteCounts) {
    this.#world = world;
    this.#topics = topics;
    this.#counts = counts;
    this.#had = new Map(
      topics.map((topic) => [
        topic,
        { place: undefined, awaitsGap: false, allowed: 0, outcome: undefined, gap: undefined },
      ]),
    );
  }

  /** The position with which the reader resumes; empty if it has had nothing. */
  get position(): string {
    const places = new Map<string, Place>();
    for (const [topic, { place }] of this.#had) if (place !== undefined) places.set(topic, place);
    return positionOf(places);
  }

  /** Notes a request. */
  ask(wire: string): Asked {
    const standings = this.#topics.map((topic) => [topic, this.#world.standing(topic)] as const);
    return {
      wire,
      at: performance.now(),
      // A restart under way is yet to remove its topic.
      removals: new Map(standings.map(([topic, { removals, restarts }]) => [topic, removals - restarts])),
      expired: standings.filter(([, { isSurelyExpired }]) => isSurelyExpired).map(([topic]) => topic),
      mayBeExpired: standings.filter(([, { mayBeExpired }]) => mayBeExpired).map(([topic]) => topic),
    };
  }

  /** The hub answers with a stream. */
  admitted(asked: Asked): void {
    expect(asked.expired.length, "a stream of expired topics").toBeLessThan(this.#topics.length);
    this.#asked = asked;
    this.#hasOpened = false;
    this.#unnamed.clear();
  }

  /** The hub answers with a refusal. */
  refused(asked: Asked, status: number): void {
    const { wire, expired, mayBeExpired } = asked;
    this.#asked = asked;
    this.isDone = true;
    if (expired.length === this.#topics.length) expect(status).toBe(410);
    if (status === 204) {
      expect(wire).toBe("sse");
      // An `EventSource` stops after 204 alone, so it is not told of a topic that has expired beside others that it has read.
      for (const [topic, had] of this.#had) {
        if (mayBeExpired.includes(topic)) had.outcome ??= "missing";
        expect(had.outcome, topic).toBeDefined();
      }
      return;
    }
    // Where some have expired and the others have not begun, the answer is 404.
    const isExpired = (topic: string): boolean => status === 404 && mayBeExpired.includes(topic);
    if (status === 410) expect(mayBeExpired).toEqual(this.#topics);
    for (const topic of this.#topics) this.#miss(topic, isExpired(topic) ? 410 : status);
    if (status === 410) this.#counts.refusedAsExpired += 1;
    else this.#counts.refused += 1;
  }

  /** The connection is over. */
  over(): void {
    for (const had of this.#had.values()) {
      had.awaitsGap = false;
      had.gap = undefined;
    }
  }

  expectDone(): void {
    expect(this.isDone, `the reader of ${this.#topics.join(" ")} is done`).toBe(true);
    for (const [topic, { outcome }] of this.#had) expect(outcome, topic).toBeDefined();
  }

  check(item: WireItem): void {
    if (item.type === "missing") {
      const isOpening = this.#unnamed.delete(item.topic);
      if (isOpening) expect([item.status, this.#asked?.mayBeExpired.includes(item.topic)]).toEqual([410, true]);
      this.#miss(item.topic, item.status);
      if (item.status === 410) this.#counts.expired += 1;
      else this.#counts.missing += 1;
      return;
    }
    if (item.type !== "gap") expect([...this.#unnamed], "expired topics are named first").toEqual([]);
    if (item.type === "open") this.#open(item);
    else if (item.type === "message") this.#message(item.id, item.data);
    else if (item.type === "gap") this.#gap(item.topic, item.missed, placesOf(item.position).get(item.topic) as Place);
    else if (item.type === "ended") this.#ended(item);
    else if (item.type === "end") this.#end(item.reason, placesOf(item.position));
    else expect.fail(`The stream has an item ${item.type}.`);
  }

  #open({ states, position }: Extract<WireItem, { type: "open" }>): void {
    expect(this.#hasOpened).toBe(false);
    this.#hasOpened = true;
    const places = placesOf(position);
    for (const [topic, had] of this.#had) {
      const state = states[topic];
      if (state === undefined) {
        this.#unnamed.add(topic);
        continue;
      }
      expect(this.#asked?.expired).not.toContain(topic);
      const here = places.get(topic) as Place;
      expect(state === "fresh", topic).toBe(had.place === undefined && state !== "gap");
      if (state === "recovered") expect(samePlace(here, had.place)).toBe(true);
      had.awaitsGap = state === "gap";
      had.allowed = 0;
      if (had.outcome === "missing") had.outcome = undefined;
      if (state === "fresh") expect(here.offset).toBe(0);
      if (!had.awaitsGap) had.place = here;
      else had.place ??= { epoch: here.epoch, offset: 0 };
    }
  }

  #message(id: string, data: unknown): void {
    const { topic, number } = (typeof data === "string" ? JSON.parse(data) : data) as FiniteMessage;
    const place = placesOf(id).get(topic) as Place;
    const had = this.#hadOf(topic);
    expect(had.awaitsGap).toBe(false);
    // It had not begun when the stream said so.
    if (had.outcome === "missing") had.outcome = undefined;
    expect(had.outcome, "nothing follows the end of a topic").toBeUndefined();
    this.#move(topic, had, place);
    this.#world.record.sent(topic, place, number);
    this.#counts.messages += 1;
  }

  #gap(topic: string, missed: number | null, here: Place): void {
    const had = this.#hadOf(topic);
    const before = had.place as Place;
    if (missed === null) {
      expect(here.epoch).not.toBe(before.epoch);
      this.#counts.renewed += 1;
    } else {
      expect(here.epoch).toBe(before.epoch);
      expect(missed).toBeGreaterThan(0);
      const moved = here.offset - before.offset;
      if (this.#world.options.overflow === "latest" && (moved === 0 || !had.awaitsGap)) {
        // It leaves out messages that an earlier gap has counted, and counts what it leaves out of those that follow.
        expect(moved).toBeLessThanOrEqual(had.allowed);
        had.allowed += missed - moved;
      } else expect(moved).toBe(missed);
      had.gap = here;
      this.#counts.missed += missed;
    }
    // Another life of the topic may end otherwise.
    if (here.epoch !== before.epoch) had.outcome = undefined;
    had.awaitsGap = false;
    had.place = here;
  }

  #ended({ topic, outcome, code, message, position }: Extract<WireItem, { type: "ended" }>): void {
    const here = placesOf(position).get(topic) as Place;
    const had = this.#hadOf(topic);
    expect(had.awaitsGap).toBe(false);
    if (had.outcome === "missing") had.outcome = undefined;
    if (had.outcome === undefined) this.#move(topic, had, here);
    else expect([here, outcome]).toEqual([had.place, had.outcome]);
    this.#world.record.sentEnd(topic, here.epoch, { offset: here.offset, outcome, code, message });
    had.outcome = outcome;
    this.#counts.ends += 1;
  }

  /** Checks that a topic may be reported as missing, or a request for it be refused. */
  #miss(topic: string, status: number): void {
    const { at, removals } = this.#asked as Asked;
    const standing = this.#world.standing(topic);
    const { startTimeoutMs } = this.#world.options;
    if (status === 410) expect(this.#world.standing(topic).mayHaveExpired, `${topic} is expired`).toBe(true);
    else {
      expect(status).toBe(404);
      const isRemoved = standing.restarts > 0 || standing.removals > (removals.get(topic) ?? 0);
      const hadBegun = standing.begunAt <= at && standing.removals === standing.removalsBefore;
      const isLate = performance.now() - at >= startTimeoutMs && !hadBegun;
      expect(isRemoved || isLate || this.#world.mayEvict, `${topic} is missing`).toBe(true);
    }
    const had = this.#hadOf(topic);
    had.outcome ??= "missing";
    // The gap of a topic that was removed leads to its very end.
    had.gap = undefined;
  }

  /** Goes on to the next place, or past messages that the policy `latest` has left out. */
  #move(topic: string, had: Had, here: Place, messages = 1): void {
    expect(here.epoch).toBe(had.place?.epoch);
    const hole = here.offset - (had.place?.offset ?? 0) - messages;
    expect(hole).toBeGreaterThanOrEqual(0);
    expect(hole).toBeLessThanOrEqual(had.allowed);
    had.allowed -= hole;
    had.place = here;
    if (had.gap !== undefined) this.#world.record.sentGap(topic, had.gap);
    had.gap = undefined;
  }

  #end(reason: string, places: Map<string, Place>): void {
    for (const [topic, had] of this.#had) {
      expect(had.awaitsGap).toBe(false);
      const here = places.get(topic);
      // Of a deleted topic nothing more comes, not even what was under way.
      if (here !== undefined && had.outcome !== "missing") this.#move(topic, had, here, 0);
    }
    expect(["poll", "gone", "overflow", "recycle"]).toContain(reason);
    if (reason === "gone") this.isDone = true;
    if (reason === "gone") for (const [topic, { outcome }] of this.#had) expect(outcome, topic).toBeDefined();
  }

  #hadOf(topic: string): Had {
    return this.#had.get(topic) ?? expect.fail(`The reader does not follow ${topic}.`);
  }
}

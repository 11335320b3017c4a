import { expect } from "vitest";
import { isPromiseLike } from "../../src/core/promise.ts";
import { isAdmission, type Decision } from "../../src/hub/admission/decision.ts";
import type { Connection } from "../../src/hub/delivery/connection.ts";
import type { Outcome } from "../../src/wire/item.ts";
import { placesOf, positionOf, samePlace, type Place } from "../soak/support/position.ts";
import { CometDecoder } from "./decoders/comet-decoder.ts";
import type { Decoder } from "./decoders/decoder.ts";
import { NdjsonDecoder } from "./decoders/ndjson-decoder.ts";
import { PollDecoder } from "./decoders/poll-decoder.ts";
import { SseDecoder } from "./decoders/sse-decoder.ts";
import type { WireItem } from "./decoders/wire-item.ts";
import { FakeSink } from "./fake-sink.ts";
import type { FiniteMessage, FiniteWorld } from "./finite-world.ts";

export const finiteWires = ["ndjson", "poll", "sse", "sse managed", "comet managed"] as const;
export type FiniteWire = (typeof finiteWires)[number];

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
interface Asked {
  readonly wire: FiniteWire;
  readonly at: number;
  readonly removals: ReadonlyMap<string, number>;
  /** The topics that have expired, surely or maybe. */
  readonly expired: readonly string[];
  readonly mayBeExpired: readonly string[];
}

/** A reader of finite topics on any wire, which keeps its position as PROTOCOL.md says. */
export class FiniteReader {
  isDone = false;
  readonly #world: FiniteWorld;
  readonly #counts: FiniteCounts;
  readonly #topics: readonly string[];
  #had = new Map<string, Had>();
  /** The request that the hub has not decided on. */
  #waiting: Asked | undefined;
  #asked: Asked | undefined;
  #sink: FakeSink | undefined;
  #connection: Connection | undefined;
  #decoder: Decoder | undefined;
  #fed = 0;
  #hasOpened = false;
  /** The expired topics that the stream is to name before anything else. */
  #unnamed = new Set<string>();

  constructor(world: FiniteWorld, topics: readonly string[], counts: FiniteCounts) {
    this.#world = world;
    this.#topics = topics;
    this.#counts = counts;
    this.#forget();
    world.readers.push(this);
  }

  connect(wire: FiniteWire): void {
    if (this.#sink !== undefined || this.#waiting !== undefined || this.isDone) return;
    const [name = "", mode = "plain"] = wire.split(" ");
    const query = new URLSearchParams([
      ["wire", name],
      ["mode", mode],
      ...this.#topics.map((topic) => ["topic", topic]),
    ]);
    const position = positionOf(this.#places());
    if (position !== "") query.set("lastEventId", position);
    const request = { method: "GET", url: `/live?${query.toString()}`, headers: { get: () => null } };
    // A restart under way is yet to remove its topic.
    const removed = (topic: string): number =>
      this.#world.standing(topic).removals - this.#world.standing(topic).restarts;
    const removals = new Map(this.#topics.map((topic) => [topic, removed(topic)]));
    const expired = this.#topics.filter((topic) => this.#world.isSurelyExpired(topic));
    const mayBeExpired = this.#topics.filter((topic) => this.#world.mayBeExpired(topic));
    const asked: Asked = { wire, at: performance.now(), removals, expired, mayBeExpired };
    const decision = this.#world.hub._decide(request, () => ({}));
    if (!isPromiseLike(decision)) {
      this.#decided(asked, decision);
      return;
    }
    this.#waiting = asked;
    this.#counts.waits += 1;
    this.#world.settles(Promise.resolve(decision), (late) => {
      if (this.#waiting === asked) {
        this.#waiting = undefined;
        this.#decided(asked, late);
      } else if (isAdmission(late)) late.release();
    });
  }

  /** The connection breaks, after a share of what was on its way. */
  cut(share: number): void {
    this.#waiting = undefined;
    if (this.#sink === undefined) return;
    this.take(share);
    this.#over();
  }

  /** Another reader takes its place, which has had nothing. */
  renew(): void {
    this.cut(0);
    this.#forget();
    this.isDone = false;
  }

  stall(): void {
    if (this.#sink !== undefined) this.#sink.full = true;
  }

  read(): void {
    if (this.#sink?.full !== true) return;
    this.#sink.full = false;
    this.#connection?.drained();
  }

  /** Reads a share of what has come. */
  take(share = 1): void {
    const sink = this.#sink;
    if (sink === undefined || (sink.full && share === 1)) return;
    const bytes = Buffer.concat(sink.bytes);
    const to = this.#fed + Math.floor((bytes.length - this.#fed) * share);
    this.#decoder?.feed(bytes.subarray(this.#fed, to));
    this.#fed = to;
    if (share === 1 && sink.state !== "open") {
      this.#decoder?.end();
      this.#over();
    }
  }

  expectDone(): void {
    expect(this.isDone, `the reader of ${this.#topics.join(" ")} is done`).toBe(true);
    for (const [topic, { outcome }] of this.#had) expect(outcome, topic).toBeDefined();
  }

  #forget(): void {
    this.#had = new Map(
      this.#topics.map((topic) => [
        topic,
        { place: undefined, awaitsGap: false, allowed: 0, outcome: undefined, gap: undefined },
      ]),
    );
  }

  #decided(asked: Asked, decision: Decision): void {
    this.#asked = asked;
    const isAllExpired = asked.expired.length === this.#topics.length;
    if (!isAdmission(decision)) {
      this.#refused(asked, decision.status);
      if (isAllExpired) expect(decision.status).toBe(410);
      return;
    }
    expect(isAllExpired, "a stream of expired topics").toBe(false);
    const [name = "", mode = "plain"] = asked.wire.split(" ");
    this.#hasOpened = false;
    this.#unnamed.clear();
    this.#decoder = this.#decoderOf(name, mode as "plain" | "managed");
    this.#fed = 0;
    this.#sink = new FakeSink();
    this.#connection = decision.open(this.#sink);
  }

  #refused({ wire, mayBeExpired }: Asked, status: number): void {
    this.isDone = true;
    if (status === 204) {
      expect(wire).toBe("sse");
      for (const [topic, { outcome }] of this.#had) expect(outcome, topic).toBeDefined();
      return;
    }
    // Where some have expired and the others have not begun, the answer is 404.
    const isExpired = (topic: string): boolean => status === 404 && mayBeExpired.includes(topic);
    if (status === 410) expect(mayBeExpired).toEqual(this.#topics);
    for (const topic of this.#topics) this.#miss(topic, isExpired(topic) ? 410 : status);
    if (status === 410) this.#counts.refusedAsExpired += 1;
    else this.#counts.refused += 1;
  }

  #over(): void {
    const connection = this.#connection;
    this.#sink = this.#connection = this.#decoder = undefined;
    connection?.gone();
    for (const had of this.#had.values()) {
      had.awaitsGap = false;
      had.gap = undefined;
    }
  }

  #decoderOf(wire: string, mode: "plain" | "managed"): Decoder {
    const onItem = (item: WireItem): void => this.#check(item);
    if (wire === "ndjson") return new NdjsonDecoder({ onItem });
    if (wire === "poll") return new PollDecoder({ onItem });
    if (wire === "sse") return new SseDecoder({ onItem, mode });
    return new CometDecoder({ onItem, mode, callback: "parent.cometMessage" });
  }

  #places(): Map<string, Place> {
    const places = new Map<string, Place>();
    for (const [topic, { place }] of this.#had) if (place !== undefined) places.set(topic, place);
    return places;
  }

  #check(item: WireItem): void {
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
    if (status === 410) expect(this.#world.mayHaveExpired(topic), `${topic} is expired`).toBe(true);
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

import { expect } from "vitest";
import { isAdmission } from "../../src/hub/admission/decision.ts";
import type { Connection } from "../../src/hub/delivery/connection.ts";
import { Hub, type OverflowPolicy } from "../../src/index.ts";
import type { Outcome } from "../../src/wire/item.ts";
import { CometDecoder } from "./decoders/comet-decoder.ts";
import type { Decoder } from "./decoders/decoder.ts";
import { NdjsonDecoder } from "./decoders/ndjson-decoder.ts";
import { PollDecoder } from "./decoders/poll-decoder.ts";
import { SseDecoder } from "./decoders/sse-decoder.ts";
import type { WireItem } from "./decoders/wire-item.ts";
import { FakeSink, flushed } from "./fake-sink.ts";
import { placesOf, positionOf, samePlace, type Place } from "../soak/support/position.ts";

export const finiteWires = ["ndjson", "poll", "sse", "sse managed", "comet managed"] as const;
export type FiniteWire = (typeof finiteWires)[number];

/** One life of a topic: what was published to it, and how it ended. */
interface Life {
  readonly messages: number[];
  outcome: Outcome | "deleted" | undefined;
}

/** What a reader has had of one topic. */
interface Had {
  place: Place | undefined;
  awaitsGap: boolean;
  /** How many messages the policy `latest` has said that it leaves out of what follows. */
  allowed: number;
  outcome: Outcome | "missing" | undefined;
}

/** A hub whose topics end, a plain record of them, and readers that check everything that they are sent against it. */
export class FiniteWorld {
  readonly hub: Hub;
  readonly topics: readonly string[];
  readonly overflow: OverflowPolicy;
  readonly readers: FiniteReader[] = [];
  /** The lives of each topic, by epoch. */
  readonly lives = new Map<string, Life>();
  /** The present life of each topic. */
  readonly #present = new Map<string, Life>();
  #number = 0;

  constructor(topics: readonly string[], maxEntries: number, overflow: OverflowPolicy) {
    this.topics = topics;
    this.overflow = overflow;
    const forever = 2_000_000_000;
    this.hub = new Hub({
      topics: () => ({ finite: true, ttlMs: forever, startTimeoutMs: forever }),
      log: { maxEntries },
      overflow,
      stallMs: forever,
      pollMs: forever,
      heartbeatMs: 0,
      onError: (error) => expect.fail(String(error)),
    });
  }

  publish(topic: string, count: number): void {
    for (let i = 0; i < count && this.#present.get(topic)?.outcome === undefined; i += 1) {
      this.#number += 1;
      const number = this.#number;
      const life = this.#lifeOf(topic);
      life.messages.push(number);
      void this.hub
        .topic<{ number: number }>(topic)
        .publish({ number }, { key: String(number % 3) })
        .then((position) => {
          this.#note(topic, position, life);
        });
    }
  }

  async end(topic: string, outcome: Outcome): Promise<void> {
    const life = this.#lifeOf(topic);
    if (life.outcome !== undefined) return;
    life.outcome = outcome;
    this.#note(topic, await this.hub.topic(topic).end({ outcome }), life);
  }

  isBegun(topic: string): boolean {
    return this.#present.has(topic);
  }

  async delete(topic: string): Promise<void> {
    const life = this.#present.get(topic);
    if (life !== undefined) life.outcome ??= "deleted";
    this.#present.delete(topic);
    await this.hub.topic(topic).delete();
  }

  /** Ends all topics, and lets every reader read until nothing more comes. */
  async settle(): Promise<void> {
    for (const topic of this.topics) await this.end(topic, "complete");
    for (let round = 0; round < 40 && this.readers.some(({ isDone }) => !isDone); round += 1) {
      for (const reader of this.readers) {
        reader.read();
        await reader.connect("ndjson");
      }
      await flushed();
      for (const reader of this.readers) reader.take();
    }
    for (const reader of this.readers) reader.expectDone();
    await this.hub.close({ drainMs: 0 });
  }

  #lifeOf(topic: string): Life {
    let life = this.#present.get(topic);
    if (life === undefined) this.#present.set(topic, (life = { messages: [], outcome: undefined }));
    return life;
  }

  #note(topic: string, position: string, life: Life): void {
    this.lives.set(`${topic} ${placesOf(position).get(topic)?.epoch ?? ""}`, life);
  }
}

/** A reader of finite topics on any wire, which keeps its position as PROTOCOL.md says. */
export class FiniteReader {
  messages = 0;
  missed = 0;
  ends = 0;
  isDone = false;
  readonly #world: FiniteWorld;
  readonly #had = new Map<string, Had>();
  #sink: FakeSink | undefined;
  #connection: Connection | undefined;
  #decoder: Decoder | undefined;
  #fed = 0;
  #hasOpened = false;

  constructor(world: FiniteWorld, topics: readonly string[]) {
    this.#world = world;
    for (const topic of topics)
      this.#had.set(topic, { place: undefined, awaitsGap: false, allowed: 0, outcome: undefined });
    world.readers.push(this);
  }

  async connect(wire: FiniteWire): Promise<void> {
    if (this.#sink !== undefined || this.isDone) return;
    // Nobody could begin a topic while a request waits for that.
    if (![...this.#had.keys()].some((topic) => this.#world.isBegun(topic))) return;
    const [name = ""] = wire.split(" ");
    const mode = wire.endsWith(" managed") ? "managed" : "plain";
    const query = new URLSearchParams([
      ["wire", name],
      ["mode", mode],
      ...[...this.#had.keys()].map((topic) => ["topic", topic]),
    ]);
    const position = positionOf(this.#places());
    if (position !== "") query.set("lastEventId", position);
    const request = { method: "GET", url: `/live?${query.toString()}`, headers: { get: () => null } };
    const decision = await this.#world.hub._decide(request, () => ({}));
    if (!isAdmission(decision)) {
      expect([wire, decision.status]).toEqual(["sse", 204]);
      for (const [topic, had] of this.#had) expect(had.outcome, topic).toBeDefined();
      this.isDone = true;
      return;
    }
    this.#hasOpened = false;
    this.#decoder = this.#decoderOf(name, mode);
    this.#fed = 0;
    this.#sink = new FakeSink();
    this.#connection = decision.open(this.#sink);
  }

  /** The connection breaks, after a share of what was on its way. */
  cut(share: number): void {
    if (this.#sink === undefined) return;
    this.take(share);
    this.#over();
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
    expect(this.isDone).toBe(true);
    for (const [topic, { outcome }] of this.#had) expect(outcome, topic).toBeDefined();
  }

  #over(): void {
    const connection = this.#connection;
    this.#sink = this.#connection = this.#decoder = undefined;
    connection?.gone();
    for (const had of this.#had.values()) had.awaitsGap = false;
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
    if (item.type === "open") this.#open(item);
    else if (item.type === "message") this.#message(item.id, item.data);
    else if (item.type === "gap") this.#gap(item.topic, item.missed, placesOf(item.position).get(item.topic) as Place);
    else if (item.type === "ended")
      this.#ended(item.topic, item.outcome, placesOf(item.position).get(item.topic) as Place);
    else if (item.type === "missing") this.#hadOf(item.topic).outcome ??= "missing";
    else if (item.type === "end") this.#end(item.reason, placesOf(item.position));
    else expect.fail(`The stream has an item ${item.type}.`);
  }

  #open({ states, position }: Extract<WireItem, { type: "open" }>): void {
    expect(this.#hasOpened).toBe(false);
    this.#hasOpened = true;
    const places = placesOf(position);
    for (const [topic, had] of this.#had) {
      const here = places.get(topic) as Place;
      expect(states[topic] === "fresh", topic).toBe(had.place === undefined && states[topic] !== "gap");
      if (states[topic] === "recovered") expect(samePlace(here, had.place)).toBe(true);
      had.awaitsGap = states[topic] === "gap";
      had.allowed = 0;
      if (states[topic] === "fresh") expect(here.offset).toBe(0);
      if (!had.awaitsGap) had.place = here;
      else had.place ??= { epoch: here.epoch, offset: 0 };
    }
  }

  #message(id: string, data: unknown): void {
    const places = placesOf(id);
    const number = (data as { number?: number }).number ?? (JSON.parse(data as string) as { number: number }).number;
    const topic = this.#topicOf(number);
    const had = this.#hadOf(topic);
    const place = places.get(topic) as Place;
    expect(had.awaitsGap).toBe(false);
    this.#move(had, place);
    expect(this.#lifeAt(topic, place).messages[place.offset - 1]).toBe(number);
    this.messages += 1;
  }

  #gap(topic: string, missed: number | null, here: Place): void {
    const had = this.#hadOf(topic);
    const before = had.place as Place;
    if (missed === null) expect(here.epoch).not.toBe(before.epoch);
    else {
      expect(here.epoch).toBe(before.epoch);
      expect(missed).toBeGreaterThan(0);
      const moved = here.offset - before.offset;
      if (this.#world.overflow === "latest" && (moved === 0 || !had.awaitsGap)) {
        // It leaves out messages that an earlier gap has counted, and counts what it leaves out of those that follow.
        expect(moved).toBeLessThanOrEqual(had.allowed);
        had.allowed += missed - moved;
      } else expect(moved).toBe(missed);
      // The end of a topic is no message, and is never left out.
      expect(here.offset).toBeLessThanOrEqual(this.#lifeAt(topic, here).messages.length);
      this.missed += missed;
    }
    // Another life of the topic may end otherwise.
    if (here.epoch !== before.epoch) had.outcome = undefined;
    had.awaitsGap = false;
    had.place = here;
  }

  #ended(topic: string, outcome: Outcome, here: Place): void {
    const had = this.#hadOf(topic);
    const life = this.#lifeAt(topic, here);
    expect(had.awaitsGap).toBe(false);
    if (had.outcome === undefined) this.#move(had, here);
    else expect([here, outcome]).toEqual([had.place, had.outcome]);
    expect(here.offset).toBe(life.messages.length + 1);
    expect(outcome).toBe(life.outcome);
    had.outcome = outcome;
    this.ends += 1;
  }

  /** Goes on to the next place, or past messages that the policy `latest` has left out. */
  #move(had: Had, here: Place): void {
    expect(here.epoch).toBe(had.place?.epoch);
    const hole = here.offset - (had.place?.offset ?? 0) - 1;
    expect(hole).toBeGreaterThanOrEqual(0);
    expect(hole).toBeLessThanOrEqual(had.allowed);
    had.allowed -= hole;
    had.place = here;
  }

  #end(reason: string, places: Map<string, Place>): void {
    for (const [topic, had] of this.#had) {
      expect(had.awaitsGap).toBe(false);
      const here = places.get(topic);
      // Of a deleted topic nothing more comes, not even what was under way.
      if (here !== undefined && had.outcome !== "missing") expect(here).toEqual(had.place);
    }
    expect(["poll", "gone", "overflow", "recycle"]).toContain(reason);
    if (reason === "gone") this.isDone = true;
    if (reason === "gone") for (const [topic, { outcome }] of this.#had) expect(outcome, topic).toBeDefined();
  }

  #lifeAt(topic: string, { epoch }: Place): Life {
    return this.#world.lives.get(`${topic} ${epoch}`) ?? expect.fail(`The epoch ${epoch} of ${topic} is unknown.`);
  }

  #topicOf(number: number): string {
    for (const [key, { messages }] of this.#world.lives) {
      if (messages.includes(number)) return key.slice(0, key.indexOf(" "));
    }
    return expect.fail(`Nobody has published ${number}.`);
  }

  #hadOf(topic: string): Had {
    return this.#had.get(topic) ?? expect.fail(`The reader does not follow ${topic}.`);
  }
}

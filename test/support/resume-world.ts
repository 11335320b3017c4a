import { expect } from "vitest";
import type { Connection } from "../../src/hub/delivery/connection.ts";
import { Hub, type OverflowPolicy } from "../../src/index.ts";
import { isAdmission, type Decision } from "../../src/hub/admission/decision.ts";
import type { Sink } from "../../src/hub/delivery/sink.ts";
import { parsePositions, type Position } from "../../src/log/position.ts";
import { connectionOf } from "./fake-sink.ts";
import { CometDecoder } from "./decoders/comet-decoder.ts";
import type { Decoder } from "./decoders/decoder.ts";
import type { EndItem, GapItem, OpenItem } from "../../src/wire/item.ts";
import type { WireItem } from "./decoders/wire-item.ts";
import { NdjsonDecoder } from "./decoders/ndjson-decoder.ts";
import { PollDecoder } from "./decoders/poll-decoder.ts";
import { SseDecoder } from "./decoders/sse-decoder.ts";

/** What is published: its number tells it from all others. */
interface Numbered {
  readonly topic: string;
  readonly number: number;
}

/** What the reference knows of a topic: everything that was ever published, by epoch and offset. */
interface ReferenceTopic {
  epoch: string;
  readonly messages: Map<string, Published[]>;
}

/** A message that was published, and the time right before. */
interface Published {
  readonly number: number;
  readonly key: string | undefined;
  readonly after: number;
}

/** Where a client without a position asks to begin. A time is that of one of the newest messages of all topics. */
export type From = "newest" | "oldest" | { readonly last: number } | { readonly sinceBack: number };

/** The hub's clock, which advances at each reading. The wall clock shows the same, from another time on. */
export const clock = { time: 0 };
export const WALL_START = 1_600_000_000_000;

export const wires = ["ndjson", "sse", "poll", "comet"] as const;

export interface ClientPlan {
  readonly topics: readonly string[];
  readonly overflow: OverflowPolicy;
}

export const LOG_ENTRIES = 6;
const FOREVER_MS = 2_000_000_000;

/** Lets the hub flush. */
export const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** A hub, a plain record of what was published to it, and clients that check everything they are sent against the record. */
export class World {
  readonly reference = new Map<string, ReferenceTopic>();
  readonly clients: readonly Client[];
  hub = World.#createHub();
  /** What went wrong inside the hub's own calls, where a throw would be taken for a broken connection. */
  readonly failures: unknown[] = [];
  /** The hubs that are going down: they refuse whoever comes. */
  readonly closing = new WeakSet<Hub>();
  /** What is being published: a full log is flushed before its position is known. */
  #pending: (Published & { readonly topic: string }) | undefined;
  /** The times right before each publication. */
  readonly #times: number[] = [];
  #number = 0;

  constructor(plans: readonly ClientPlan[]) {
    this.clients = plans.map((plan) => new Client(this, plan));
  }

  static #createHub(): Hub {
    return new Hub({
      heartbeatMs: 0,
      flushSliceMs: 1,
      maxTopics: 3,
      // The clock is fast.
      stallMs: FOREVER_MS,
      maxConnectionAgeMs: FOREVER_MS,
      log: { maxEntries: LOG_ENTRIES, maxAgeMs: FOREVER_MS },
      topics: (name) => (name === "b" ? { overflow: "latest" } : true),
      onError: (error) => {
        throw error as Error;
      },
    });
  }

  async publish(topic: string, key: string | undefined): Promise<void> {
    if (this.#pending !== undefined) return;
    this.#number += 1;
    const message: Numbered = { topic, number: this.#number };
    const handle = this.hub.topic<Numbered>(topic);
    const pending = { topic, number: this.#number, key, after: clock.time };
    this.#times.push(clock.time);
    this.#pending = pending;
    const position = await handle.publish(message, key === undefined ? {} : { key });
    if (this.#pending === pending) this.commit(topic, parsePositions(position, Infinity).get(topic) as Position);
    if (this.#pending === pending) throw new Error(`${position} is not the position that was to be expected.`);
    this.expectNoFailures();
  }

  /** Records what is being published, as soon as its place is known. */
  commit(topic: string, { epoch, offset }: Position): void {
    if (this.#pending?.topic !== topic) return;
    const { number, key, after } = this.#pending;
    let known = this.reference.get(topic);
    if (known === undefined) this.reference.set(topic, (known = { epoch, messages: new Map() }));
    known.epoch = epoch;
    const messages = known.messages.get(epoch) ?? [];
    known.messages.set(epoch, messages);
    if (messages.length !== offset - 1) return;
    messages.push({ number, key, after });
    this.#pending = undefined;
  }

  expectNoFailures(): void {
    if (this.failures.length > 0) throw this.failures[0];
  }

  /** Other topics come to life until those that nobody follows are forgotten. */
  async evict(): Promise<void> {
    for (let i = 0; i < 4; i += 1) {
      this.#number += 1;
      await this.hub
        .topic(`other${this.#number}`)
        .publish("x")
        .catch(() => undefined);
    }
  }

  async restart(): Promise<void> {
    await this.close();
    this.hub = World.#createHub();
    for (const client of this.clients) client.sawRestart();
  }

  /** Drains the hub. Clients that do not read have their connections broken off, as the hub would do after a while. */
  async close(): Promise<void> {
    this.closing.add(this.hub);
    const closed = this.hub.close({ drainMs: 0 });
    for (const client of this.clients) client.letGoOfEnded();
    await closed;
  }

  /** How many messages were published in an epoch of a topic. */
  head(topic: string, epoch: string): number {
    return this.reference.get(topic)?.messages.get(epoch)?.length ?? 0;
  }

  /** The last offset that the log of a topic has let go of. */
  floor(topic: string, { epoch }: Position): number {
    const pending = this.#pending?.topic === topic && this.reference.get(topic)?.epoch === epoch ? 1 : 0;
    return Math.max(0, this.head(topic, epoch) + pending - LOG_ENTRIES);
  }

  /** The time right before one of the newest publications, counted back. */
  timeBack(count: number): number {
    return this.#times.at(-count) ?? clock.time;
  }

  /** What a client that begins now in a topic must be sent. `time` is that of a start since a time. */
  beginning(topic: string, from: From, time: number): Beginning {
    const epoch = this.reference.get(topic)?.epoch ?? "";
    const pending = this.#pending?.topic === topic ? [this.#pending] : [];
    const messages = [...(this.reference.get(topic)?.messages.get(epoch) ?? []), ...pending];
    const floor = Math.max(0, messages.length - LOG_ENTRIES);
    if (from === "newest") return { epoch, floor, base: undefined, isCounted: true };
    if (from === "oldest") return { epoch, floor, base: 0, isCounted: true };
    if ("last" in from) return { epoch, floor, base: Math.max(0, messages.length - from.last), isCounted: true };
    return { epoch, floor, base: messages.filter(({ after }) => after < time).length, isCounted: false };
  }

  /** Everybody reads, and comes back until there is nothing more. Then each must be where its topics are. */
  async settle(): Promise<void> {
    for (let round = 0; round < 40; round += 1) {
      for (const client of this.clients) {
        client.read();
        client.connect("ndjson");
      }
      await turn();
    }
    this.expectNoFailures();
    for (const client of this.clients) client.expectComplete();
  }
}

/** Where a client without a position begins in a topic. */
interface Beginning {
  readonly epoch: string;
  /** The last offset that the log has let go of. */
  readonly floor: number;
  /** The offset before the first message that the client asks for; `undefined` for the newest. */
  readonly base: number | undefined;
  /** Whether the number of missing messages is known. */
  readonly isCounted: boolean;
}

/** How many writes a connection takes whose client does not read. */
const PIPE_HOLDS = 2;

/** What a client's connection writes to: at once to the client while it reads, and otherwise into two places. */
class Pipe implements Sink {
  readonly isChunked = false;
  readonly #client: Client;
  readonly queue: Uint8Array[] = [];
  ended = false;
  /** Whether the hub waits to be told that there is room. */
  full = false;

  constructor(client: Client) {
    this.#client = client;
  }

  write(bytes: Uint8Array): boolean {
    // The client has gone while the hub was opening its connection.
    if (this.ended) return false;
    if (this.queue.length >= PIPE_HOLDS) this.#client.failed(new Error("Written to, though it was full."));
    this.#take(bytes);
    this.#client.spring();
    this.full = this.queue.length >= PIPE_HOLDS;
    return !this.full;
  }

  #take(bytes: Uint8Array): void {
    if (this.#client.reading && this.queue.length === 0) this.#client.feed(bytes);
    else this.queue.push(bytes);
  }

  end(bytes: Uint8Array): void {
    if (this.ended) return;
    this.#take(bytes);
    this.ended = true;
    if (this.queue.length === 0) queueMicrotask(() => this.#client.over(this));
  }

  destroy(): void {
    this.queue.length = 0;
    this.ended = true;
    queueMicrotask(() => this.#client.over(this));
  }
}

/** A client that keeps its position as PROTOCOL.md says, and checks all that it is told. */
export class Client {
  readonly #world: World;
  readonly #plan: ClientPlan;
  /** Where it is in each topic, as far as it has been told. */
  readonly #places = new Map<string, Position>();
  /** For the policy `latest`: what it was told that it misses, and what it did miss, since it was last complete. */
  #told = 0;
  #holes = 0;
  #pipe: Pipe | undefined;
  #connection: Connection | undefined;
  #decoder: Decoder | undefined;
  /** What the logs had let go of when it connected: it may read later how they began. */
  readonly #floors = new Map<string, number>();
  #gapDue = new Set<string>();
  /** Where it asked to begin in the topics in which it has no place yet. */
  readonly #beginnings = new Map<string, Beginning>();
  /** What happens in the middle of the hub's next write to this client. */
  #trap: (() => void) | undefined;
  #wire: (typeof wires)[number] = "ndjson";
  #mode: "plain" | "managed" = "plain";
  #opened = false;
  reading = true;
  gaps = 0;
  overflows = 0;
  leftOut = 0;
  messages = 0;
  /** How often it has begun in the past, without and with messages missing. */
  begun = 0;
  begunAfterGap = 0;

  constructor(world: World, plan: ClientPlan) {
    this.#world = world;
    this.#plan = plan;
  }

  get connected(): boolean {
    return this.#pipe !== undefined;
  }

  connect(wire: (typeof wires)[number], from: From = "newest"): void {
    if (this.connected) return;
    const time = typeof from === "object" && "sinceBack" in from ? this.#world.timeBack(from.sinceBack) : 0;
    for (const topic of this.#plan.topics) this.#beginnings.set(topic, this.#world.beginning(topic, from, time));
    const { topics, overflow } = this.#plan;
    const query = new URLSearchParams([
      ["wire", wire],
      ["mode", this.#nextMode(wire)],
      ["from", textOf(from, time)],
      ...topics.map((topic) => ["topic", topic]),
    ]);
    const position = this.#position();
    if (position !== "") query.set("lastEventId", position);
    const request = { method: "GET", url: `/live?${query.toString()}`, headers: { get: () => null } };
    const { hub, closing } = this.#world;
    // Nothing waits here: the hub decides at once.
    const decision = hub._decide(request, () => ({ overflow })) as Decision;
    if (isAdmission(decision)) this.#open(wire, (sink) => connectionOf(decision.open(sink)));
    else if (!decision.body.includes("ERR_CLOSED") || !closing.has(hub)) this.failed(new Error(decision.body));
  }

  #open(wire: (typeof wires)[number], open: (sink: Sink) => Connection): void {
    this.#wire = wire;
    this.#decoder = this.#createDecoder();
    this.#opened = false;
    this.#gapDue.clear();
    for (const [topic, place] of this.#places) {
      this.#floors.set(topic, this.#world.floor(topic, place));
    }
    this.#pipe = new Pipe(this);
    const pipe = this.#pipe;
    const connection = open(pipe);
    if (this.#pipe === pipe) this.#connection = connection;
    else connection.gone();
  }

  /** Begins anew, as a page that is loaded again. */
  forget(): void {
    if (!this.connected) this.#places.clear();
  }

  /** Lets something happen in the middle of the hub's next write to this client, as in the middle of a flush. */
  trap(act: () => void): void {
    this.#trap = act;
  }

  spring(): void {
    const act = this.#trap;
    this.#trap = undefined;
    act?.();
  }

  failed(error: unknown): void {
    this.#world.failures.push(error);
  }

  /** Stops reading, as a machine that is asleep. */
  stall(): void {
    this.reading = false;
  }

  read(): void {
    this.reading = true;
    const pipe = this.#pipe;
    if (pipe === undefined) return;
    for (const bytes of pipe.queue.splice(0)) this.feed(bytes);
    if (pipe.ended) this.over(pipe);
    else if (pipe.full) {
      pipe.full = false;
      this.#connection?.drained();
    }
  }

  /** The connection breaks, after so much of what was on its way. */
  cut(share: number): void {
    const pipe = this.#pipe;
    if (pipe === undefined) return;
    const waiting = Buffer.concat(pipe.queue.splice(0));
    this.feed(waiting.subarray(0, Math.floor(waiting.length * share)));
    pipe.ended = true;
    this.over(pipe);
  }

  /** The hub has had enough of this connection. */
  recycle(): void {
    this.#connection?.end("recycle", 0);
  }

  letGoOfEnded(): void {
    if (this.#pipe?.ended === true) this.cut(0.5);
  }

  sawRestart(): void {
    expect(this.connected && this.reading).toBe(false);
  }

  over(pipe: Pipe): void {
    if (pipe !== this.#pipe) return;
    const connection = this.#connection;
    this.#pipe = this.#connection = undefined;
    connection?.gone();
    if (this.#wire !== "poll") this.#decoder?.end();
  }

  feed(bytes: Uint8Array): void {
    if (bytes.length === 0) return;
    try {
      this.#feed(bytes);
    } catch (error) {
      this.failed(error);
    }
  }

  #feed(bytes: Uint8Array): void {
    this.#decoder?.feed(bytes);
    if (this.#wire === "poll" && bytes.includes("]".charCodeAt(0))) this.#tryEndOfPoll(bytes);
  }

  expectComplete(): void {
    for (const topic of this.#plan.topics) {
      const { epoch, offset } = this.#places.get(topic) as Position;
      expect(offset).toBe(this.#world.head(topic, epoch));
      // In another epoch than that of the last message only if nothing has been published in it.
      if (offset > 0) expect(epoch).toBe(this.#world.reference.get(topic)?.epoch);
    }
    if (this.#plan.overflow === "latest") expect(this.#holes).toBeLessThanOrEqual(this.#told);
  }

  /** A poll's body is read when it is complete. */
  #tryEndOfPoll(bytes: Uint8Array): void {
    if (Buffer.from(bytes).toString().endsWith("]\n")) this.#decoder?.end();
  }

  /** Event streams by turns: the one mode has whole positions, the other each topic's own. */
  #nextMode(wire: (typeof wires)[number]): "plain" | "managed" {
    this.#mode = wire === "sse" && this.#mode === "managed" ? "plain" : "managed";
    return this.#mode;
  }

  #createDecoder(): Decoder {
    const onItem = (item: WireItem): void => this.#take(item);
    if (this.#wire === "ndjson") return new NdjsonDecoder({ onItem });
    if (this.#wire === "sse") return new SseDecoder({ onItem, mode: this.#mode });
    if (this.#wire === "poll") return new PollDecoder({ onItem });
    return new CometDecoder({ onItem, mode: "managed", callback: "parent.cometMessage" });
  }

  #take(item: WireItem): void {
    expect(this.#opened || item.type === "open").toBe(true);
    this.#opened = true;
    if (item.type === "open") this.#takeOpen(item);
    else if (item.type === "gap") this.#takeGap(item);
    else if (item.type === "message") this.#takeMessage(item.id, item.data);
    else if (item.type === "end") this.#takeEnd(item);
    else expect(item.type).toBe("heartbeat");
  }

  #takeOpen({ states, position }: OpenItem): void {
    expect(Object.keys(states)).toEqual(this.#plan.topics);
    const places = parsePositions(position, Infinity);
    for (const topic of this.#plan.topics) {
      const before = this.#places.get(topic);
      const place = places.get(topic) as Position;
      const { overflow } = this.#plan;
      if (before === undefined) {
        this.#checkBeginning(topic, states[topic], place);
        continue;
      }
      const isHeld = before.epoch === place.epoch && before.offset >= (this.#floors.get(topic) ?? 0);
      if (overflow === "latest") this.#checkLatestState(topic, states[topic], before.epoch === place.epoch, isHeld);
      else expect(states[topic]).toBe(isHeld ? "recovered" : "gap");
      if (isHeld || (overflow === "latest" && before.epoch === place.epoch)) expect(place).toEqual(before);
      else this.#gapDue.add(topic);
    }
  }

  /** A client without a place begins where it asked to, or has a gap due. */
  #checkBeginning(topic: string, state: string | undefined, place: Position): void {
    const { epoch, base, floor } = this.#beginnings.get(topic) as Beginning;
    // A topic in which nothing was published since it began has nothing to miss.
    const isEmpty = epoch !== place.epoch;
    if (base !== undefined && !isEmpty) {
      const isHeld = base >= floor;
      if (isHeld || this.#plan.overflow !== "latest") expect(state).toBe(isHeld ? "fresh" : "gap");
      if (state === "fresh") expect(place.offset).toBe(base);
      if (state === "fresh") this.begun += 1;
      else this.begunAfterGap += 1;
    } else expect(state).toBe("fresh");
    if (state === "fresh") this.#places.set(topic, place);
    else this.#gapDue.add(topic);
  }

  /** Checks the gap of a client that has no place in a topic yet. */
  #checkFirstGap(topic: string, missed: number | null, place: Position): void {
    const { base = NaN, floor, isCounted } = this.#beginnings.get(topic) as Beginning;
    expect(this.#gapDue.has(topic)).toBe(true);
    if (this.#plan.overflow !== "latest") {
      expect(missed).toBe(isCounted ? floor - base : null);
      expect(place.offset).toBe(floor);
    } else if (isCounted) {
      expect(place.offset).toBe(base);
      this.#told += missed as number;
    } else expect(missed).toBe(null);
    expect(place.offset).toBeGreaterThanOrEqual(base);
  }

  /** Under `latest`, what the log has let go of may be held beyond it, for its key. */
  #checkLatestState(topic: string, state: string | undefined, isSameEpoch: boolean, isHeld: boolean): void {
    if (!isSameEpoch) expect(state).toBe("gap");
    else if (isHeld) expect(state).toBe("recovered");
    else if (state === "gap") this.#gapDue.add(topic);
  }

  #takeGap({ topic, missed, position }: GapItem): void {
    this.gaps += 1;
    const before = this.#places.get(topic);
    const place = parsePositions(position, Infinity).get(topic) as Position;
    const { overflow } = this.#plan;
    if (before === undefined) this.#checkFirstGap(topic, missed, place);
    else if (before.epoch !== place.epoch) expect(missed).toBe(null);
    else if (overflow === "latest") this.#told += missed as number;
    else expect(missed).toBe(place.offset - before.offset);
    // A gap is told only where the log has passed the client, or where it wants no more than the newest.
    if (before?.epoch === place.epoch && overflow !== "latest") {
      expect(this.#world.floor(topic, place)).toBeGreaterThan(before.offset);
    }
    this.#gapDue.delete(topic);
    this.#places.set(topic, place);
  }

  /** Takes the place of another topic in the id of a message: where the client is, or after messages that are left out. */
  #takeOther(topic: string, place: Position): void {
    const before = this.#places.get(topic) as Position;
    if (this.#plan.overflow === "latest" && place.epoch === before.epoch && place.offset > before.offset) {
      this.#checkHole(topic, place.epoch, before.offset, place.offset + 1);
      this.#places.set(topic, place);
    } else expect(place).toEqual(before);
  }

  #takeMessage(id: string, data: unknown): void {
    this.messages += 1;
    const { topic, number } = (typeof data === "string" ? JSON.parse(data) : data) as Numbered;
    expect(this.#gapDue.has(topic)).toBe(false);
    const places = parsePositions(id, Infinity);
    const { epoch, offset } = places.get(topic) as Position;
    for (const [other, place] of places) if (other !== topic) this.#takeOther(other, place);
    const before = this.#places.get(topic) as Position;
    this.#world.commit(topic, { epoch, offset });
    const published = this.#world.reference.get(topic)?.messages.get(epoch) ?? [];
    expect(published[offset - 1]?.number).toBe(number);
    expect(epoch).toBe(before.epoch);
    if (this.#plan.overflow === "latest") this.#checkHole(topic, epoch, before.offset, offset);
    else expect(offset).toBe(before.offset + 1);
    this.#places.set(topic, { epoch, offset });
  }

  /** What is left out under `latest` has a newer message with its key, or was let go of by the log. */
  #checkHole(topic: string, epoch: string, from: number, to: number): void {
    expect(to).toBeGreaterThan(from);
    const published = this.#world.reference.get(topic)?.messages.get(epoch) ?? [];
    for (let offset = from + 1; offset < to; offset += 1) {
      const { key } = published[offset - 1] as { key: string | undefined };
      const isStale = key !== undefined && published.slice(offset).some((later) => later.key === key);
      expect(isStale || offset <= this.#world.floor(topic, { epoch, offset })).toBe(true);
      this.#holes += 1;
      this.leftOut += 1;
    }
  }

  #takeEnd({ reason, position }: EndItem): void {
    const places = parsePositions(position, Infinity);
    for (const topic of this.#plan.topics) {
      // Under `latest`, what was left out at the very end is in this position only.
      if (this.#plan.overflow !== "latest") expect(places.get(topic)).toEqual(this.#places.get(topic));
      this.#places.set(topic, places.get(topic) as Position);
    }
    if (reason === "overflow") {
      this.overflows += 1;
      expect(this.#plan.overflow).toBe("resume");
      expect([...places].some(([topic, place]) => this.#world.floor(topic, place) > place.offset)).toBe(true);
    }
  }

  #position(): string {
    return [...this.#places].map(([t, { epoch, offset }]) => `${encodeURIComponent(t)}=${epoch}.${offset}`).join(",");
  }
}

function textOf(from: From, time: number): string {
  if (typeof from === "string") return from;
  // The message was published when the clock had advanced at least once more.
  return "last" in from ? `last:${from.last}` : `since:${WALL_START + time + 2}`;
}

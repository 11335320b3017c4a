import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { utf8Length } from "../../src/core/utf8.ts";
import type {
  Broker,
  BrokerMessage,
  BrokerPublication,
  FiniteTopics,
  History,
  LeaseAnswer,
  Notice,
  TopicBounds,
} from "../../src/log/broker.ts";
import type { Position } from "../../src/log/position.ts";
import type { LogBounds } from "../../src/log/entry.ts";
import type { TcpProxy } from "../support/tcp-proxy.ts";

/** A server or its equivalent, and the brokers that are connected to it. */
export interface BrokerWorld {
  /** Creates a broker of another process on the same server, not attached yet. It is closed with the world. */
  connect(): Promise<Broker>;
  /** Stops the server for a time, and starts it with its data; undefined if there is no server. */
  restart?(downMs: number): Promise<void>;
  /** The network between all brokers of this world and the server, if it can be made to fail. */
  readonly network?: TcpProxy;
  close(): Promise<void>;
}

/** Capabilities in which brokers differ. */
export interface BrokerTraits {
  /** Whether it trims a topic by its bytes. If not, bytes must not cause a loss. */
  readonly trimsByBytes: boolean;
  /** Whether each topic has an epoch of its own. If not, a renewal is one of all topics. */
  readonly renewsTopics: boolean;
  /** Whether its worlds have `restart`. */
  readonly hasServer: boolean;
  /** Whether its worlds have a `network`. */
  readonly hasNetwork: boolean;
  /** Whether it has `finite`. */
  readonly keepsFinite: boolean;
}

/** Bounds that trim nothing. */
export const wide: LogBounds = { maxEntries: 100_000, maxBytes: 2 ** 28, maxAgeMs: 300_000 };

/** A topic that no other test of any run uses. */
export function freshTopic(label: string): string {
  return `${label}-${randomUUID().slice(0, 13)}`;
}

/** A publication of this JSON. */
export function publication(
  json: string,
  fields: Partial<Pick<BrokerPublication, "event" | "key" | "messageId">> = {},
): BrokerPublication {
  return { event: undefined, key: undefined, messageId: undefined, ...fields, json, bytes: utf8Length(json) };
}

/** Bounds of a topic that ends, and is kept for a minute. */
export const kept: TopicBounds = { ...wide, maxAgeMs: Infinity, ttlMs: 60_000 };

/** The end of a topic, with an outcome that tells it from others. */
export function ending(outcome: string, fields: Partial<BrokerPublication> = {}): BrokerPublication {
  return { ...publication(""), ended: JSON.stringify({ outcome }), ...fields };
}

/** Calls `act` for each number below `count`, in order, with at most `width` pending, and returns all results. */
export async function inFlight<R>(count: number, width: number, act: (i: number) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  let next = 0;
  const work = async (): Promise<void> => {
    while (next < count) {
      const i = next++;
      results[i] = await act(i);
    }
  };
  await Promise.all(Array.from({ length: width }, work));
  return results;
}

/** The notices that one process receives of one topic. */
export class Ear {
  readonly notices: Notice[] = [];
  isStopped = false;

  get offsets(): number[] {
    return this.notices.map(({ message }) => message.offset);
  }

  get jsons(): string[] {
    return this.notices.map(({ message }) => message.json);
  }
}

/** A process with a broker, which checks all calls and answers of the broker. */
export class Process {
  readonly broker: Broker;
  readonly told: ("lost" | "restored")[] = [];
  readonly signals: string[] = [];
  /** The messages of the errors that were passed to `ignored`. */
  readonly ignored: string[] = [];
  /** Violations of the contract outside of any call. */
  readonly faults: string[] = [];
  #isWithin = false;
  #isClosed = false;

  constructor(broker: Broker) {
    this.broker = broker;
    this.#call(() =>
      broker.attach({
        lost: (error) => {
          this.#check(error instanceof Error, "lost for no reason");
          this.#check(this.told.at(-1) !== "lost", "lost twice");
          this.#isTold("lost");
        },
        restored: () => {
          this.#check(this.told.at(-1) === "lost", "restored without being lost");
          this.#isTold("restored");
        },
        signalled: (text) => {
          this.#checkTurn("a signal");
          this.signals.push(text);
        },
        ignored: ({ message }) => {
          this.#checkTurn("an ignored entry");
          this.ignored.push(message);
        },
      }),
    );
  }

  publish(topic: string, message: BrokerPublication | string, bounds: TopicBounds = wide): Promise<Position> {
    const given = typeof message === "string" ? publication(message) : message;
    return this.#call(() => this.broker.publish(topic, given, bounds)).then((position) => {
      expect(position.epoch).toMatch(/^[A-Za-z0-9]{1,32}$/);
      expect(Number.isSafeInteger(position.offset) && position.offset >= 1).toBe(true);
      return position;
    });
  }

  async read(topic: string, after = 0, bounds: TopicBounds = wide, current = Infinity): Promise<History> {
    const history = await this.#call(() => this.broker.read(topic, after, bounds, current));
    const { epoch, floor, head, messages, now } = history;
    expect(epoch).toMatch(/^[A-Za-z0-9]{1,32}$/);
    expect(Number.isSafeInteger(floor) && floor >= 0 && head >= floor).toBe(true);
    let last = after;
    for (const { offset, at } of messages) {
      if (offset <= last || offset > head || at > now) expect.fail(JSON.stringify({ offset, last, head, at, now }));
      last = offset;
    }
    return history;
  }

  /** Reads all messages after an offset in pages. The other values are those of the first page. */
  async readAll(topic: string, after = 0, bounds: TopicBounds = wide): Promise<History> {
    const first = await this.read(topic, after, bounds);
    const messages = [...first.messages];
    let page: History = first;
    for (let last = page.messages.at(-1); last !== undefined && last.offset < page.head; last = page.messages.at(-1)) {
      page = await this.read(topic, last.offset, bounds);
      expect(page.epoch).toBe(first.epoch);
      // No unread message was trimmed meanwhile.
      expect(page.floor).toBeLessThanOrEqual(last.offset);
      messages.push(...page.messages);
    }
    return { ...first, messages };
  }

  async listen(topic: string): Promise<Ear> {
    const ear = new Ear();
    await this.#call(() => this.broker.listen(topic, (notice) => this.#hear(ear, notice)));
    return ear;
  }

  /** @param ear The listener; unknown while `listen` has not resolved. It must receive nothing any more. */
  unlisten(topic: string, ear?: Ear): void {
    this.#call(() => this.broker.unlisten(topic));
    if (ear !== undefined) ear.isStopped = true;
  }

  renew(topic: string, epoch: string): Promise<void> {
    return this.#call(() => this.broker.renew(topic, epoch));
  }

  acquire(topic: string, fence: string, { leaseMs = 60_000, restart = false } = {}): Promise<LeaseAnswer> {
    return this.#call(() => this.#finite.acquire(topic, { fence, leaseMs, restart }, kept));
  }

  renewLease(topic: string, fence: string, leaseMs = 60_000): Promise<void> {
    return this.#call(() => this.#finite.renewLease(topic, fence, leaseMs));
  }

  settle(topic: string, bounds: TopicBounds = kept): Promise<number | undefined> {
    return this.#call(() => this.#finite.settle(topic, ending("lost"), bounds));
  }

  delete(topic: string): Promise<Position | undefined> {
    return this.#call(() => this.#finite.delete(topic));
  }

  get #finite(): FiniteTopics {
    return this.broker.finite as FiniteTopics;
  }

  signal(text: string): void {
    this.#call(() => this.broker.signal(text));
  }

  async close(): Promise<void> {
    await this.#call(() => this.broker.close());
    this.#isClosed = true;
  }

  fail(fault: string): void {
    this.faults.push(fault);
  }

  /** Calls the broker, and marks calls that the broker makes meanwhile as made from within. */
  #call<R>(act: () => R): R {
    const before = this.#isWithin;
    this.#isWithin = true;
    try {
      return act();
    } finally {
      this.#isWithin = before;
    }
  }

  #hear(ear: Ear, notice: Notice): void {
    this.#checkTurn("a notice");
    this.#check(!ear.isStopped, "a notice after unlisten");
    const { epoch, previous, message } = notice;
    this.#check(previous < message.offset, `the offset before ${message.offset} is ${previous}`);
    const last = ear.notices.at(-1);
    if (last?.epoch === epoch) {
      this.#check(message.offset > last.message.offset, `${message.offset} is told after ${last.message.offset}`);
      // The offset before is 0 if the broker did not hold any.
      const isBefore = previous > 0 && previous < last.message.offset;
      this.#check(!isBefore, `${previous} is not the last before ${message.offset}: there is ${last.message.offset}`);
    } else this.#check(!ear.notices.some((other) => other.epoch === epoch), "an epoch that is over comes again");
    ear.notices.push(notice);
  }

  #isTold(what: "lost" | "restored"): void {
    this.#checkTurn(what);
    this.told.push(what);
  }

  #checkTurn(what: string): void {
    this.#check(!this.#isWithin, `${what} from within a method`);
    this.#check(!this.#isClosed, `${what} after close`);
  }

  #check(isRight: boolean, fault: string): void {
    if (!isRight) this.fail(fault);
  }
}

/** The processes of one world. */
export interface Processes {
  readonly world: BrokerWorld;
  readonly a: Process;
  readonly b: Process;
  readonly c: Process;
  /** Creates one more, which is checked as well. */
  join(): Promise<Process>;
}

/** Opens a world for the tests of a `describe`, and expects no process to have recorded a fault after each of them. */
export function useProcesses(open: () => Promise<BrokerWorld>): Processes {
  const all: Process[] = [];
  let world: BrokerWorld | undefined;
  const join = async (): Promise<Process> => {
    const process = new Process(await (world as BrokerWorld).connect());
    all.push(process);
    return process;
  };
  beforeAll(async () => {
    world = await open();
    for (let i = 0; i < 3; i += 1) await join();
  });
  afterEach(() => {
    for (const { faults } of all) expect(faults.splice(0)).toEqual([]);
  });
  afterAll(() => world?.close());
  return {
    get world() {
      return world as BrokerWorld;
    },
    get a() {
      return all[0] as Process;
    },
    get b() {
      return all[1] as Process;
    },
    get c() {
      return all[2] as Process;
    },
    join,
  };
}

/** The content of a message, without its position. */
export function contentOf({ json, event, key, messageId }: BrokerMessage | BrokerPublication): unknown {
  return { json, event, key, messageId };
}

/**
 * Expects each notice to name the offset of the message before it, and the newest message to have been notified of. So a later notice
 * shows each one that was missed.
 */
export function expectChain(ear: Ear, all: readonly BrokerMessage[]): void {
  const before = new Map(all.map(({ offset }, i) => [offset, all[i - 1]?.offset ?? 0]));
  expect(ear.offsets.at(-1)).toBe(all.at(-1)?.offset);
  for (const { previous, message } of ear.notices) expect(previous).toBe(before.get(message.offset));
}

import { randomUUID } from "node:crypto";
import { afterAll, afterEach, beforeAll, expect } from "vitest";
import { utf8Length } from "../../src/core/utf8.ts";
import type { Broker, BrokerMessage, BrokerPublication, History, Notice } from "../../src/log/broker.ts";
import type { Position } from "../../src/log/position.ts";
import type { LogBounds } from "../../src/log/entry.ts";
import type { TcpProxy } from "../support/tcp-proxy.ts";

/** A server, or what stands for it, and the brokers that are connected to it. */
export interface BrokerWorld {
  /** A broker of another process, on the same server, that is not attached yet. Closed with the world. */
  connect(): Promise<Broker>;
  /** The server goes away for so long, keeping what it holds, and comes back; undefined where there is no server. */
  restart?(downMs: number): Promise<void>;
  /** What all brokers of this world reach the server through, if it can be harmed. */
  readonly network?: TcpProxy;
  close(): Promise<void>;
}

/** What a broker may do otherwise than others. */
export interface BrokerTraits {
  /** Whether it trims a topic by its bytes. Otherwise nothing may be gone because of them. */
  readonly trimsByBytes: boolean;
  /** Whether a topic has an epoch of its own. Otherwise whoever renews one renews all. */
  readonly renewsTopics: boolean;
  /** Whether there is a server: then its worlds can `restart` it. */
  readonly hasServer: boolean;
  /** Whether its worlds have a `network`. */
  readonly hasNetwork: boolean;
}

/** Nothing is trimmed. */
export const wide: LogBounds = { maxEntries: 100_000, maxBytes: 2 ** 28, maxAgeMs: 300_000 };

/** A topic that no other test uses, of this run or another. */
export function freshTopic(label: string): string {
  return `${label}-${randomUUID().slice(0, 13)}`;
}

/** What is to be published: JSON, with the size that it has. */
export function publication(
  json: string,
  fields: Partial<Pick<BrokerPublication, "event" | "key" | "messageId">> = {},
): BrokerPublication {
  return { event: undefined, key: undefined, messageId: undefined, ...fields, json, bytes: utf8Length(json) };
}

/** Settles what `act` gives for each number below `count`, in that order, with so many at a time. */
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

/** What one process is told of one topic. */
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

/** A process with a broker, that checks whatever it is told and answered. */
export class Process {
  readonly broker: Broker;
  readonly told: ("lost" | "restored")[] = [];
  readonly signals: string[] = [];
  /** What was against the contract where nobody waits for it. */
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
      }),
    );
  }

  publish(topic: string, message: BrokerPublication | string, bounds: LogBounds = wide): Promise<Position> {
    const given = typeof message === "string" ? publication(message) : message;
    return this.#call(() => this.broker.publish(topic, given, bounds)).then((position) => {
      expect(position.epoch).toMatch(/^[A-Za-z0-9]{1,32}$/);
      expect(Number.isSafeInteger(position.offset) && position.offset >= 1).toBe(true);
      return position;
    });
  }

  async read(topic: string, after = 0, bounds: LogBounds = wide, current = Infinity): Promise<History> {
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

  /** Everything after an offset, page by page, and what the first page says of the topic. */
  async readAll(topic: string, after = 0, bounds: LogBounds = wide): Promise<History> {
    const first = await this.read(topic, after, bounds);
    const messages = [...first.messages];
    let page: History = first;
    for (let last = page.messages.at(-1); last !== undefined && last.offset < page.head; last = page.messages.at(-1)) {
      page = await this.read(topic, last.offset, bounds);
      expect(page.epoch).toBe(first.epoch);
      // Nothing has left while it was read.
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

  /** Also where `listen` has not resolved yet: then `ear` is not known, and nothing may be told to it. */
  unlisten(topic: string, ear?: Ear): void {
    this.#call(() => this.broker.unlisten(topic));
    if (ear !== undefined) ear.isStopped = true;
  }

  renew(topic: string, epoch: string): Promise<void> {
    return this.#call(() => this.broker.renew(topic, epoch));
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

  /** What the broker calls while it is called itself, is called from within. */
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
      // 0 is for a broker that held none any more.
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
  /** One more, which is checked as well. */
  join(): Promise<Process>;
}

/** Opens a world for the tests of a `describe`, and checks after each of them that no process was told anything wrong. */
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

/** What a message is without its position. */
export function contentOf({ json, event, key, messageId }: BrokerMessage | BrokerPublication): unknown {
  return { json, event, key, messageId };
}

/**
 * Expects that each notice names the message before it, of all that there were, and that the newest was told: so whatever was not told
 * is shown by a notice that was.
 */
export function expectChain(ear: Ear, all: readonly BrokerMessage[]): void {
  const before = new Map(all.map(({ offset }, i) => [offset, all[i - 1]?.offset ?? 0]));
  expect(ear.offsets.at(-1)).toBe(all.at(-1)?.offset);
  for (const { previous, message } of ear.notices) expect(previous).toBe(before.get(message.offset));
}

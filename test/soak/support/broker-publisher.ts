import type { HubProcess, Outgoing, Published } from "../../support/hub-process.ts";
import { messageIdOf } from "./broker-ledger.ts";
import type { TopicTruth } from "./broker-truth.ts";
import type { BrokerWorld } from "./broker-world.ts";
import { sleep } from "./clock.ts";
import type { Random } from "./random.ts";

export interface TopicOrder {
  readonly messages: number;
  readonly perSecond: number;
  /** How many messages are given at once, at the most; 8 by default. */
  readonly maxWindow?: number;
  /** Whether no further message is to be published, even if some are left; asked before each publish, and never so by default. */
  readonly isEnough?: () => boolean;
  /** The hubs that it publishes through; all by default. */
  readonly through?: readonly HubProcess[];
}

/** How long an answer is waited for: a hub that lives gives it sooner. */
const ANSWER_MS = 30_000;
/** How many of those that failed are given up. */
const ABANDONED = 0.1;

/**
 * Publishes numbered messages to one topic, through any hub. What is not acknowledged is published again with the same id, through whichever hub,
 * until it is; but of what is known not to be published a part is given up, and must never be seen.
 */
export class TopicPublisher {
  readonly #world: BrokerWorld;
  readonly #truth: TopicTruth;
  readonly #order: TopicOrder;
  readonly #random: Random;
  /** How long a hub took to say what became of a message, at the most, and each time that it was not published. */
  longestMs = 0;
  readonly failedAfterMs: number[] = [];
  /** The greatest offset so far: what is published later comes after it. */
  #head = 0;

  constructor(world: BrokerWorld, truth: TopicTruth, order: TopicOrder) {
    this.#world = world;
    this.#truth = truth;
    this.#order = order;
    this.#random = world.random.fork();
  }

  /** Resolves when all is acknowledged or given up, or something is wrong, which is a violation. */
  async run(): Promise<void> {
    try {
      await this.#run();
    } catch (error) {
      this.#world.tally.violations.push((error as Error).message);
    }
  }

  get #goesOn(): boolean {
    return this.#world.tally.violations.length === 0;
  }

  async #run(): Promise<void> {
    const { messages, perSecond, maxWindow = 8, isEnough } = this.#order;
    const start = performance.now();
    for (let n = 1; n <= messages && isEnough?.() !== true && this.#goesOn;) {
      const dueMs = start + ((n - 1) / perSecond) * 1000 - performance.now();
      if (dueMs > 0) await sleep(dueMs);
      const last = Math.min(messages, n + this.#random.whole(1, maxWindow) - 1);
      await this.#publishAll(n, last);
      n = last + 1;
    }
  }

  async #publishAll(first: number, last: number): Promise<void> {
    const { tally } = this.#world;
    let open = Array.from({ length: last - first + 1 }, (_, i) => first + i);
    const floor = this.#head;
    const unknown = new Set<number>();
    this.#truth.given += open.length;
    for (let tries = 0; open.length > 0 && this.#goesOn; tries += 1) {
      if (tries > 0) {
        tally.add("publishes retried", open.length);
        await sleep(this.#random.whole(10, 200));
      }
      const hub = await this.#anyHub();
      const oneByOne = this.#random.chance(0.2);
      const answers = await hub.publish(
        { topic: this.#truth.topic, messages: open.map((n) => this.#message(n)), oneByOne },
        ANSWER_MS,
      );
      open = open.filter((n, i) => !this.#isDone(n, answers?.[i], unknown, floor));
    }
  }

  /** Whether nothing more is to be done about a message. */
  #isDone(n: number, answer: Published | undefined, unknown: Set<number>, floor: number): boolean {
    const { tally } = this.#world;
    const { topic, failed } = this.#truth;
    if (answer !== undefined) this.longestMs = Math.max(this.longestMs, answer.ms);
    if (answer?.position !== undefined) {
      tally.add("publishes acknowledged");
      const offset = this.#truth.acknowledge(n, answer.position);
      if (offset <= floor) tally.violations.push(`${topic}: ${n} is at ${offset}, before what was published earlier.`);
      this.#head = Math.max(this.#head, offset);
      return true;
    }
    if (answer?.code === "ERR_BROKER") {
      tally.add("publishes failed");
      this.failedAfterMs.push(answer.ms);
      if (unknown.has(n) || !this.#random.chance(ABANDONED)) return false;
      tally.add("publishes given up");
      failed.add(n);
      return true;
    }
    unknown.add(n);
    if (answer === undefined) tally.add("publishes unanswered");
    else if (answer.code === "ERR_UNACKNOWLEDGED") tally.add("publishes unacknowledged");
    else tally.violations.push(`Publishing ${topic} ${n} failed with ${answer.code}: ${answer.message}`);
    return false;
  }

  async #anyHub(): Promise<HubProcess> {
    for (;;) {
      const hub = this.#random.pick(this.#order.through ?? this.#world.hubs);
      if (hub.isListening) return hub;
      await sleep(20);
    }
  }

  #message(n: number): Outgoing {
    const t = this.#truth.topic;
    return { data: { t, n, fill: "comet ".repeat(n % 30) }, messageId: messageIdOf(t, n) };
  }
}

import { CometError, describe } from "../../core/errors.ts";
import type { BrokerPublication, FiniteTopics, LeaseAnswer, LeaseRequest, TopicBounds } from "../../log/broker.ts";
import type { Position } from "../../log/position.ts";
import type { WriteAnswer } from "./message-codec.ts";

/** Runs a script that changes a topic. `action` names it in errors. */
export type RunOnTopic = (
  topic: string,
  script: "acquire" | "renewLease" | "delete",
  args: readonly string[],
  action: string,
) => Promise<WriteAnswer>;

/** Publishes the end of a topic if its lease has lapsed. */
export type Settle = (topic: string, end: BrokerPublication, bounds: TopicBounds) => Promise<WriteAnswer>;

/** Topics that end, and the leases of their producers. Each method is one script, which compares times of the server alone. */
export class RedisFinite implements FiniteTopics {
  readonly maxKeptMs: number = Infinity;
  readonly #run: RunOnTopic;
  readonly #settle: Settle;

  constructor(run: RunOnTopic, settle: Settle) {
    this.#run = run;
    this.#settle = settle;
  }

  async acquire(topic: string, request: LeaseRequest, { ttlMs = 0 }: TopicBounds): Promise<LeaseAnswer> {
    const { fence, leaseMs, restart } = request;
    const args = [String(ttlMs), fence, String(leaseMs), restart ? "restart" : ""];
    const { word } = await this.#run(topic, "acquire", args, "acquire a lease");
    if (word === "acquired" || word === "held" || word === "ended") return word;
    throw unknownAnswer(word);
  }

  async renewLease(topic: string, fence: string, leaseMs: number): Promise<void> {
    const { word } = await this.#run(topic, "renewLease", [fence, String(leaseMs)], "renew a lease");
    if (word !== "renewed") throw refusalOf(topic, word);
  }

  async settle(topic: string, end: BrokerPublication, bounds: TopicBounds): Promise<number | undefined> {
    const { position, word, number } = await this.#settle(topic, end, bounds);
    if (position !== undefined || word === "none") return undefined;
    if (word === "left") return number;
    throw refusalOf(topic, word);
  }

  async delete(topic: string): Promise<Position | undefined> {
    const { position } = await this.#run(topic, "delete", [], "delete a topic");
    return position;
  }
}

/** The error of a script that has changed nothing, by its answer. */
export function refusalOf(topic: string, word: string): CometError {
  if (word === "ended") return new CometError("ERR_ENDED", `The topic ${describe(topic)} has ended.`);
  if (word !== "lost") return unknownAnswer(word);
  return new CometError("ERR_PRODUCER_LOST", `This producer of the topic ${describe(topic)} has lost its lease.`);
}

function unknownAnswer(word: string): CometError {
  return new CometError(
    "ERR_UNACKNOWLEDGED",
    `Redis's answer to a write is not that of the script: ${describe(word)}.`,
  );
}

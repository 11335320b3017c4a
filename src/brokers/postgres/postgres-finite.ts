import { CometError, describe } from "../../core/errors.ts";
import type { BrokerPublication, FiniteTopics, LeaseAnswer, LeaseRequest, TopicBounds } from "../../log/broker.ts";
import type { Position } from "../../log/position.ts";
import { deletedPositionOf } from "./message-codec.ts";
import type { Rows } from "./postgres-connection.ts";
import type { PublishAnswer } from "./publish-queue.ts";

/** Runs a function that changes a topic. `action` names it in errors. */
export type Write = (text: string, values: unknown[], action: string) => Promise<Rows>;

/** Publishes the end of a topic if its lease has lapsed. */
export type Settle = (topic: string, end: BrokerPublication, bounds: TopicBounds) => Promise<PublishAnswer>;

/** Topics that end, and the leases of their producers. Each method is one function, which compares times of the server alone. */
export class PostgresFinite implements FiniteTopics {
  readonly maxKeptMs: number = Infinity;
  readonly #write: Write;
  readonly #settle: Settle;

  constructor(write: Write, settle: Settle) {
    this.#write = write;
    this.#settle = settle;
  }

  async acquire(topic: string, request: LeaseRequest, { ttlMs = 0 }: TopicBounds): Promise<LeaseAnswer> {
    const { fence, leaseMs, restart } = request;
    const text = "SELECT comet.acquire($1, $2, $3, $4, $5) AS answer";
    const rows = await this.#write(text, [topic, fence, leaseMs, restart, ttlMs], "acquire a lease");
    const word = rows[0]?.["answer"];
    if (word === "acquired" || word === "held" || word === "ended") return word;
    throw refusalOf(topic, String(word));
  }

  async renewLease(topic: string, fence: string, leaseMs: number): Promise<void> {
    const text = "SELECT comet.renew_lease($1, $2, $3) AS answer";
    const rows = await this.#write(text, [topic, fence, leaseMs], "renew a lease");
    const word = rows[0]?.["answer"];
    if (word !== "renewed") throw refusalOf(topic, String(word));
  }

  async settle(topic: string, end: BrokerPublication, bounds: TopicBounds): Promise<number | undefined> {
    const { position, word, leftMs } = await this.#settle(topic, end, bounds);
    if (position !== undefined || word === "none") return undefined;
    if (word === "left") return leftMs;
    throw refusalOf(topic, word);
  }

  async delete(topic: string): Promise<Position | undefined> {
    return deletedPositionOf(await this.#write("SELECT comet.delete($1) AS answer", [topic], "delete a topic"));
  }
}

/** The error of a function that has changed nothing, by its answer. */
export function refusalOf(topic: string, word: string): CometError {
  if (word === "ended") return new CometError("ERR_ENDED", `The topic ${describe(topic)} has ended.`);
  if (word === "lost") {
    return new CometError("ERR_PRODUCER_LOST", `This producer of the topic ${describe(topic)} has lost its lease.`);
  }
  const message = `PostgreSQL's answer to a write is not that of the function: ${describe(word)}.`;
  return new CometError("ERR_UNACKNOWLEDGED", message);
}

import { CometError, describe } from "../../core/errors.ts";
import { unrefTimeout, type Timer } from "../../core/timers.ts";
import type { BrokerPublication, TopicBounds, TransactionalTopics } from "../../log/broker.ts";
import { inSchema } from "./migration.ts";
import type { PostgresQueryable } from "./postgres-client.ts";
import { boundsOf } from "./publish-queue.ts";
import { sqlStateOf } from "./sql-errors.ts";

/** Publishes in transactions of the application: into the outbox, which a trigger empties when the transaction commits. */
export class PostgresTransactional implements TransactionalTopics {
  readonly #insert: string;
  readonly #timeoutMs: number;
  readonly #assertOpen: () => void;

  /** @param assertOpen Throws `ERR_CLOSED` after the broker's `close`. */
  constructor(schema: string, timeoutMs: number, assertOpen: () => void) {
    this.#insert = inSchema(
      "INSERT INTO comet.outbox (topic, json, event, key, message_id, max_entries, max_bytes, max_age, ttl) " +
        "VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)",
      schema,
    );
    this.#timeoutMs = timeoutMs;
    this.#assertOpen = assertOpen;
  }

  async publish(transaction: unknown, topic: string, message: BrokerPublication, bounds: TopicBounds): Promise<void> {
    this.#assertOpen();
    const client = assertQueryable(transaction);
    const { json, event = null, key = null, messageId = null } = message;
    const values = [topic, json, event, key, messageId, ...boundsOf(bounds)];
    let timer: Timer | undefined;
    const late = new Promise<never>((_, reject) => {
      const reason = `The transaction did not take a message within ${this.#timeoutMs} ms: roll it back, and try again.`;
      timer = unrefTimeout(() => reject(new CometError("ERR_UNACKNOWLEDGED", reason)), this.#timeoutMs);
    });
    try {
      await Promise.race([query(client, { text: this.#insert, values }), late]);
    } catch (error) {
      if (error instanceof CometError) throw error;
      const reason = error instanceof Error ? error.message : String(error);
      const isRefused = /^(?:42501|42P01|3F000)$/.test(sqlStateOf(error) ?? "");
      const advice = isRefused ? " The user needs USAGE on the schema, and INSERT on its table outbox." : "";
      const text = `PostgreSQL did not take the message into the transaction: ${reason}.${advice}`;
      throw new CometError("ERR_BROKER", text, { cause: error });
    } finally {
      clearTimeout(timer);
    }
  }
}

async function query(client: PostgresQueryable, statement: { text: string; values: unknown[] }): Promise<unknown> {
  return await client.query(statement);
}

/** @throws {CometError} `ERR_OPTION` if it is no client, or a pool, whose statements are each in a transaction of their own. */
function assertQueryable(transaction: unknown): PostgresQueryable {
  const isObject = (typeof transaction === "object" || typeof transaction === "function") && transaction !== null;
  const methods = (isObject ? transaction : {}) as Readonly<Record<string, unknown>>;
  if (typeof methods["totalCount"] === "number") {
    throw new CometError(
      "ERR_OPTION",
      "transaction must be the client on which BEGIN was run, not a pool: each query of a pool may run on another connection.",
    );
  }
  if (typeof methods["query"] === "function") return transaction as PostgresQueryable;
  throw new CometError(
    "ERR_OPTION",
    `transaction must be a client of the package pg with a transaction, or have its method query, not ${describe(transaction)}.`,
  );
}

import { CometError, type CometErrorCode } from "../../core/errors.ts";
import { Queue } from "../../core/queue.ts";
import { unrefTimeout, type Timer } from "../../core/timers.ts";
import type { PostgresClient, PostgresResult } from "./postgres-client.ts";
import { isFatal } from "./sql-errors.ts";

/** The rows of an answer. */
export type Rows = PostgresResult["rows"];

interface Statement {
  readonly text: string;
  readonly values: unknown[] | undefined;
  readonly code: CometErrorCode;
  readonly timer: Timer;
  readonly resolve: (rows: Rows) => void;
  readonly reject: (error: unknown) => void;
  isSettled: boolean;
}

/**
 * One connection of the pool, which the broker owns until it closes it. It sends one statement at a time, so that a time limit is one of
 * the server. The first failure of the connection, or a statement that is not answered in time, ends it: all pending statements are
 * rejected, and the connection is destroyed. A statement that was not sent is rejected with `ERR_BROKER`.
 */
export class PostgresConnection {
  readonly #client: PostgresClient;
  readonly #onEnd: (error: unknown) => void;
  readonly #waiting = new Queue<Statement>();
  #active: Statement | undefined;
  #isOver = false;

  /** @param onEnd Called once, when it has failed. Not after `close`. */
  constructor(client: PostgresClient, onEnd: (error: unknown) => void) {
    this.#client = client;
    this.#onEnd = onEnd;
    client.on("error", (error) => this.fail(error ?? ended()));
    client.on("end", () => this.fail(ended()));
  }

  /** @param listener Called with each notification that the server sends on this connection. */
  onNotification(listener: (channel: string, payload: string) => void): void {
    this.#client.on("notification", ({ channel, payload }) => {
      if (!this.#isOver) listener(channel, payload ?? "");
    });
  }

  /**
   * Runs a statement, after those that wait.
   *
   * @param limitMs Time limit of the answer. If the statement is being run then, the connection ends.
   * @param code The code of the error if the statement was sent and not answered.
   */
  run(
    text: string,
    values: unknown[] | undefined,
    limitMs: number,
    code: CometErrorCode = "ERR_BROKER",
  ): Promise<Rows> {
    if (this.#isOver) return Promise.reject(ended());
    return new Promise((resolve, reject) => {
      const timer = unrefTimeout(() => this.#expire(statement, limitMs), limitMs);
      const statement: Statement = { text, values, code, timer, resolve, reject, isSettled: false };
      if (this.#active === undefined) this.#send(statement);
      else this.#waiting.push(statement);
    });
  }

  /** Closes the connection. Pending statements are rejected. */
  close(): void {
    this.#end(ended());
  }

  /** Ends the connection because of an error. */
  fail(error: unknown): void {
    if (this.#isOver) return;
    this.#end(error);
    this.#onEnd(error);
  }

  #send(statement: Statement): void {
    this.#active = statement;
    const { text, values } = statement;
    this.#query(values === undefined ? { text } : { text, values }).then(
      (result) => {
        const rows: unknown = (result as PostgresResult | undefined)?.rows;
        if (Array.isArray(rows) || values === undefined)
          this.#settle(statement, () => statement.resolve((rows ?? []) as Rows));
        else this.fail(new CometError(statement.code, "The client of PostgreSQL returned no rows."));
      },
      (error: unknown) => {
        this.#settle(statement, () => statement.reject(error));
        if (isFatal(error)) this.fail(error);
      },
    );
  }

  async #query(query: { text: string; values?: unknown[] }): Promise<unknown> {
    return await this.#client.query(query);
  }

  #settle(statement: Statement, act: () => void): void {
    if (statement.isSettled) return;
    statement.isSettled = true;
    clearTimeout(statement.timer);
    if (this.#active === statement) this.#active = undefined;
    act();
    while (this.#active === undefined && !this.#isOver && this.#waiting.size > 0) {
      const next = this.#waiting.shift();
      if (!next.isSettled) this.#send(next);
    }
  }

  #expire(statement: Statement, limitMs: number): void {
    const reason = `PostgreSQL did not answer within ${limitMs} ms.`;
    if (this.#active === statement) this.fail(new CometError(statement.code, reason));
    else this.#settle(statement, () => statement.reject(new CometError("ERR_BROKER", reason)));
  }

  #end(error: unknown): void {
    if (this.#isOver) return;
    this.#isOver = true;
    const active = this.#active;
    const unsent: Statement[] = [];
    while (this.#waiting.size > 0) unsent.push(this.#waiting.shift());
    if (active !== undefined) {
      const message = error instanceof Error ? error.message : String(error);
      this.#settle(active, () => active.reject(new CometError(active.code, message, { cause: error })));
    }
    for (const each of unsent) this.#settle(each, () => each.reject(ended()));
    try {
      this.#client.release(true);
    } catch {
      // The pool has it back already.
    }
  }
}

function ended(): CometError {
  return new CometError("ERR_BROKER", "The connection to PostgreSQL has ended.");
}

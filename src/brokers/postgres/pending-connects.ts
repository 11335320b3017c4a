import type { PostgresClient, PostgresPool } from "./postgres-client.ts";

/**
 * The connections that are asked of a pool. A pool may leave a request pending for as long as the network is silent, and counts it
 * among its connections. So a request that is given up is used by the next attempt, and the pool is not filled by attempts.
 */
export class PendingConnects {
  readonly #pool: PostgresPool;
  readonly #idle: Promise<PostgresClient>[] = [];

  constructor(pool: PostgresPool) {
    this.#pool = pool;
  }

  /** A request for a connection, new or given back before. The caller uses its connection, or gives it back. */
  request(): Promise<PostgresClient> {
    return this.#idle.pop() ?? this.#connect();
  }

  /** Keeps a request that was given up. */
  giveBack(request: Promise<PostgresClient>): void {
    const forget = (): void => {
      const at = this.#idle.indexOf(request);
      if (at >= 0) void this.#idle.splice(at, 1);
    };
    void this.#idle.push(request);
    request.then(
      (client) => {
        // It may be as stale as the network was.
        if (!this.#idle.includes(request)) return;
        forget();
        client.release(true);
      },
      () => forget(),
    );
  }

  async #connect(): Promise<PostgresClient> {
    const client = await this.#pool.connect();
    // It may break before it is used: its first statement fails then.
    client.on("error", () => undefined);
    return client;
  }
}

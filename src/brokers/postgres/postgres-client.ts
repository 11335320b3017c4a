/** The rows that a query returns, by the names of their columns. */
export interface PostgresResult {
  readonly rows: readonly Readonly<Record<string, unknown>>[];
}

/** A statement with its parameters, which are texts, numbers or null. Without `values` it may be several statements. */
export interface PostgresQuery {
  readonly text: string;
  readonly values?: unknown[];
}

/** A connection that runs queries: a client of `pg` within a transaction. */
export interface PostgresQueryable {
  /** Runs a query in the order of the calls. An error of the server has its SQLSTATE as `code`, and a `severity`. */
  query(query: PostgresQuery): Promise<PostgresResult>;
}

/**
 * A connection of a pool, as far as the broker needs one: a `PoolClient` of the package `pg`. Applications implement this interface over
 * other clients, so that a method added here breaks them.
 */
export interface PostgresClient extends PostgresQueryable {
  on(
    event: "notification",
    listener: (notification: { channel: string; payload?: string | undefined }) => void,
  ): unknown;
  /** Emits `error` when the connection breaks, and `end` when it is closed. */
  on(event: "error" | "end", listener: (error?: unknown) => void): unknown;
  /** Returns the connection to the pool; with `true`, closes it. */
  release(destroy?: boolean): unknown;
}

/** A pool of connections, as far as the broker needs one: a `Pool` of the package `pg`, from version 8. */
export interface PostgresPool {
  connect(): Promise<PostgresClient>;
}

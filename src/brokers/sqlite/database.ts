/** A prepared statement, as far as the tables use it. */
export interface Statement {
  all(...values: readonly SqlValue[]): unknown[];
  /** Returns the first row, if there is one. */
  get(...values: readonly SqlValue[]): unknown;
  run(...values: readonly SqlValue[]): {
    readonly changes: number | bigint;
    readonly lastInsertRowid: number | bigint;
  };
}

/** A value of a column. */
export type SqlValue = string | number | null;

/** Where the tables of a broker are: a file, or the storage of a Durable Object. */
export interface Database {
  prepare(sql: string): Statement;
  /** Runs a transaction that writes. @throws {CometError} `ERR_BROKER`, `ERR_UNACKNOWLEDGED`. */
  write<R>(deadline: number, run: () => R): R;
  /** Runs statements that read, on one state. @throws {CometError} `ERR_BROKER`. */
  read<R>(deadline: number, run: () => R): R;
  /** Notes that other processes write too. */
  noteContention(): void;
  close(): void;
}

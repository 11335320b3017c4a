import type { DatabaseSync, StatementSync } from "node:sqlite";
import { CometError } from "../../core/errors.ts";
import type { Database } from "./database.ts";
import { commitError, isBusy, statementError } from "./sqlite-error.ts";

/** The random time in milliseconds between two attempts to take the lock: from the first to the sum of both. */
const RETRY_MS = 0.1;
const RETRY_SPREAD_MS = 0.4;
/** The pause in milliseconds after a commit while other processes write too. */
const YIELD_MS = 0.3;

/**
 * One open file, and its transactions. It blocks its thread while another process holds the lock.
 *
 * SQLite's own busy handler waits ever longer, and starves one of several busy writers for seconds. A short random wait, and a pause of
 * the process that has just committed, lets each in within some ten milliseconds.
 */
export class FileDatabase implements Database {
  /** Node 22.13.0 finalizes the statements of a connection that nothing refers to. */
  readonly connection: DatabaseSync;
  readonly #beginWrite: StatementSync;
  readonly #beginRead: StatementSync;
  readonly #commit: StatementSync;
  readonly #rollback: StatementSync;
  #isContended = false;
  #committedAt = -Infinity;

  /** @param connection An open connection, which this owns from now on. */
  constructor(connection: DatabaseSync) {
    this.connection = connection;
    this.#beginWrite = connection.prepare("BEGIN IMMEDIATE");
    this.#beginRead = connection.prepare("BEGIN");
    this.#commit = connection.prepare("COMMIT");
    this.#rollback = connection.prepare("ROLLBACK");
  }

  prepare(sql: string): StatementSync {
    return this.connection.prepare(sql);
  }

  /**
   * Runs a transaction that writes. It is on disk when this returns, if the file is opened with `synchronous=FULL`.
   *
   * @param deadline The time of `performance.now` after which it waits for the lock no longer.
   * @throws {CometError} `ERR_BROKER` if nothing was written, and `ERR_UNACKNOWLEDGED` if that is unknown. The cause is SQLite's error.
   */
  write<R>(deadline: number, run: () => R): R {
    if (this.#isContended) pause(this.#committedAt + YIELD_MS - performance.now());
    this.#isContended = false;
    try {
      this.#begin(this.#beginWrite, deadline);
    } catch (error) {
      throw statementError(error);
    }
    let result: R;
    try {
      result = run();
    } catch (error) {
      this.#undo();
      throw statementError(error);
    }
    try {
      this.#commit.run();
    } catch (error) {
      this.#undo();
      throw commitError(error);
    }
    this.#committedAt = performance.now();
    return result;
  }

  /** Runs statements that read, on one state of the file. @throws {CometError} `ERR_BROKER`. */
  read<R>(deadline: number, run: () => R): R {
    try {
      // The lock is taken by the first statement that reads.
      for (;;) {
        this.#begin(this.#beginRead, deadline);
        try {
          const result = run();
          this.#commit.run();
          return result;
        } catch (error) {
          this.#undo();
          if (!isBusy(error)) throw error;
          this.#waitForLock(deadline);
        }
      }
    } catch (error) {
      throw statementError(error);
    }
  }

  /** Notes that other processes write too, so that they get their turn after the next commit. */
  noteContention(): void {
    this.#isContended = true;
  }

  /** Closes the file. Never throws. */
  close(): void {
    try {
      this.connection.close();
    } catch {
      // It was closed, or the last checkpoint failed; the next process that opens the file makes up for it.
    }
  }

  #begin(statement: StatementSync, deadline: number): void {
    for (;;) {
      try {
        statement.run();
        return;
      } catch (error) {
        if (!isBusy(error)) throw error;
        this.#isContended = true;
        this.#waitForLock(deadline);
      }
    }
  }

  #waitForLock(deadline: number): void {
    if (performance.now() > deadline) {
      throw new CometError("ERR_BROKER", "Another process has held the lock of the SQLite file for too long.");
    }
    pause(RETRY_MS + Math.random() * RETRY_SPREAD_MS);
  }

  #undo(): void {
    try {
      this.#rollback.run();
    } catch {
      // After a full disk, and some other errors, SQLite has rolled back by itself, and refuses to do it again.
    }
  }
}

const neverWoken = new Int32Array(new SharedArrayBuffer(4));

/** Blocks the thread for a time in milliseconds, which need not be whole. */
export function pause(ms: number): void {
  if (ms > 0) Atomics.wait(neverWoken, 0, 0, ms);
}

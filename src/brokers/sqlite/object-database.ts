/**
 * The tables of a broker in the storage of a Durable Object of Cloudflare, which has one process and no files.
 *
 * The object's storage makes transactions durable before anything that depends on them leaves the object. It takes neither
 * pragmas nor temporary tables, so the version is in a table of its own.
 */

import { CometError } from "../../core/errors.ts";
import { randomName } from "../../core/random-name.ts";
import type { Database, SqlValue, Statement } from "./database.ts";

export type { SqlValue } from "./database.ts";
import { SCHEMA_VERSION, TABLES } from "./schema.ts";
import { statementError } from "./sqlite-error.ts";

/** The part of a Durable Object's storage that a broker uses. The object's class must have SQLite storage. */
export interface ObjectStorageLike {
  readonly sql: {
    exec(query: string, ...bindings: SqlValue[]): { toArray(): unknown[] };
  };
  transactionSync<R>(run: () => R): R;
  setAlarm(time: number): Promise<void>;
}

/** The names of the tables, besides the one with their version. */
const NAMES = ["state", "topic", "message", "seen", "signal", "listened"];

/** The storage of one object as a database. */
export class ObjectDatabase implements Database {
  readonly #storage: ObjectStorageLike;

  private constructor(storage: ObjectStorageLike) {
    this.#storage = storage;
  }

  /**
   * Opens the storage, and creates the tables if they are missing.
   *
   * @throws {CometError} `ERR_BROKER_CONFIG` if other code has tables of the same names, or another version has made them.
   */
  static open(storage: ObjectStorageLike): ObjectDatabase {
    const database = new ObjectDatabase(storage);
    database.write(Infinity, () => {
      database.#create();
      // The topics that the last life of the object listened to.
      database.#exec("DELETE FROM listened");
    });
    return database;
  }

  prepare(sql: string): Statement {
    const text = sql.replaceAll("temp.listened", "listened");
    return {
      all: (...values) => this.#exec(text, ...values),
      get: (...values) => this.#exec(text, ...values)[0],
      run: (...values) => {
        this.#exec(text, ...values);
        const number = (name: string): number => (this.#exec(`SELECT ${name}() AS n`)[0] as { n: number }).n;
        return {
          get changes() {
            return number("changes");
          },
          get lastInsertRowid() {
            return number("last_insert_rowid");
          },
        };
      },
    };
  }

  write<R>(_deadline: number, run: () => R): R {
    try {
      return this.#storage.transactionSync(run);
    } catch (error) {
      throw statementError(error);
    }
  }

  read<R>(_deadline: number, run: () => R): R {
    try {
      // Nothing else runs meanwhile.
      return run();
    } catch (error) {
      throw statementError(error);
    }
  }

  noteContention(): void {
    // An object has no other processes.
  }

  close(): void {
    // The storage belongs to the object.
  }

  #exec(sql: string, ...values: readonly SqlValue[]): unknown[] {
    return this.#storage.sql.exec(sql, ...values).toArray();
  }

  #create(): void {
    const tables = this.#exec("SELECT name FROM sqlite_master WHERE type = 'table'") as { name: string }[];
    const names = tables.map(({ name }) => name);
    if (names.includes("comet_sockets")) {
      const [row] = this.#exec("SELECT version FROM comet_sockets") as { version: number }[];
      if (row?.version === SCHEMA_VERSION) return;
      throw new CometError(
        "ERR_BROKER_CONFIG",
        "The object's tables were made by another version of comet-sockets. Use that version, or another class of objects.",
      );
    }
    const taken = NAMES.filter((name) => names.includes(name));
    if (taken.length > 0) {
      throw new CometError(
        "ERR_BROKER_CONFIG",
        `The object has tables of its own called ${taken.join(", ")}, which the hub needs. Rename them.`,
      );
    }
    this.#exec(TABLES);
    this.#exec("CREATE TABLE listened (name TEXT PRIMARY KEY) WITHOUT ROWID");
    this.#exec("CREATE TABLE comet_sockets (version INTEGER NOT NULL)");
    this.#exec("INSERT INTO comet_sockets (version) VALUES (?)", SCHEMA_VERSION);
    this.#exec(
      "INSERT INTO state (only, uid, era, seq, signal, at, file) VALUES (1, ?, ?, 0, 0, 0, '')",
      randomName(16),
      randomName(8),
    );
  }
}

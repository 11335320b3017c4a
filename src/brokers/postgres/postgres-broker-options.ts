import { CometError, describe } from "../../core/errors.ts";
import { assertInteger } from "../../core/options.ts";
import { checkNetworkBrokerOptions, type NetworkBrokerOptions } from "../network-broker-options.ts";
import { assertSchema } from "./migration.ts";
import type { PostgresPool } from "./postgres-client.ts";

/** Options of {@link postgresBroker}: how a hub uses a PostgreSQL database. Times are whole milliseconds. */
export interface PostgresBrokerOptions extends NetworkBrokerOptions {
  /**
   * The application's pool: a `Pool` of the package `pg`. The broker takes two connections of it for as long as it is open, and one more
   * at times for a moment. It closes these connections, and never the pool.
   */
  readonly pool: PostgresPool;
  /**
   * The schema of the broker's tables: 1 to 48 lower-case letters, digits and `_`, not beginning with a digit or `pg_`. Each application in
   * the same database needs a schema of its own. Its name is also that of a channel of NOTIFY.
   *
   * @default "comet"
   */
  readonly schema?: string;
  /**
   * Whether to create the tables and functions if they are missing, as `postgresMigration` does, when the user may. Otherwise the start
   * fails where they are missing.
   *
   * @default true
   */
  readonly migrate?: boolean;
  /**
   * Whether to use LISTEN, which notifies a process at once of messages of other processes. It has no effect behind PgBouncer in
   * transaction mode, which the start detects: messages are then found by polling alone. Set it to `false` there, so that no LISTEN
   * is sent at all.
   *
   * @default true
   */
  readonly listen?: boolean;
  /**
   * Interval at which the followed topics are polled for messages of the application's transactions, from 5 to 60,000. It widens by
   * itself to ten times the duration of a poll.
   *
   * @default 25
   */
  readonly pollMs?: number;
  /**
   * Time for which an empty topic that no process uses keeps its epoch and its last offset, from 1,000. Afterwards a client that
   * resumes finds another epoch, which is a `gap`.
   *
   * @default 86_400_000 (a day)
   */
  readonly topicTtlMs?: number;
}

/** {@link PostgresBrokerOptions}, checked and complete. */
export type PostgresSettings = Required<PostgresBrokerOptions>;

/** @throws {CometError} `ERR_OPTION`. */
export function checkPostgresOptions(options: PostgresBrokerOptions): PostgresSettings {
  return {
    ...checkNetworkBrokerOptions("postgresBroker", options),
    pool: assertPool(options.pool),
    schema: assertSchema(options.schema ?? "comet"),
    migrate: assertBoolean("migrate", options.migrate ?? true),
    listen: assertBoolean("listen", options.listen ?? true),
    pollMs: assertInteger("pollMs", options.pollMs ?? 25, 5, 60_000),
    topicTtlMs: assertInteger("topicTtlMs", options.topicTtlMs ?? 86_400_000, 1000, 2 ** 45),
  };
}

function assertBoolean(name: string, value: unknown): boolean {
  if (typeof value === "boolean") return value;
  throw new CometError("ERR_OPTION", `${name} must be true or false, not ${describe(value)}.`);
}

function assertPool(pool: unknown): PostgresPool {
  const methods = typeof pool === "object" && pool !== null ? (pool as Readonly<Record<string, unknown>>) : {};
  if (typeof methods["release"] === "function") {
    throw new CometError("ERR_OPTION", "pool must be a Pool of the package pg, not one client of it.");
  }
  if (typeof methods["connect"] === "function" && !("connectionParameters" in methods)) return pool as PostgresPool;
  throw new CometError(
    "ERR_OPTION",
    `pool must be a Pool of the package pg, or have its method connect, not ${describe(pool)}. ` +
      "docs/brokers.md has an adapter for the package postgres.",
  );
}

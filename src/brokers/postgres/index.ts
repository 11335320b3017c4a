import type { Broker } from "../../log/broker.ts";
import { checkPostgresOptions, type PostgresBrokerOptions } from "./postgres-broker-options.ts";
import { PostgresBroker } from "./postgres-broker.ts";

export type { NetworkBrokerOptions } from "../network-broker-options.ts";
export { postgresMigration } from "./migration.ts";
export type { PostgresBrokerOptions } from "./postgres-broker-options.ts";
export type {
  PostgresClient,
  PostgresPool,
  PostgresQuery,
  PostgresQueryable,
  PostgresResult,
} from "./postgres-client.ts";

/**
 * Keeps the topics of hubs in a PostgreSQL database from version 13, durably, so that several processes share them. Creates its tables if
 * it may, and checks the server's version, the schema and the user's rights. Later failures reject the calls that they affect; the broker
 * reconnects by itself.
 *
 * With it, `topic.publish(message, { transaction: client })` publishes a message if and only if the application's transaction commits.
 *
 * @example
 * ```ts
 * import { Pool } from "pg";
 * import { Hub } from "comet-sockets";
 * import { postgresBroker } from "comet-sockets/postgres";
 *
 * const pool = new Pool({ connectionString: "postgres://127.0.0.1/shop" });
 * const hub = new Hub({ broker: await postgresBroker({ pool }) });
 * ```
 *
 * @returns A broker for one hub, which closes it. The pool stays the application's.
 * @throws {CometError} `ERR_OPTION`; `ERR_BROKER` if the server cannot be reached within `connectTimeoutMs`; `ERR_BROKER_CONFIG` if it
 *   refuses the user, is too old, lacks the tables or the rights, or has tables of another version.
 */
export async function postgresBroker(options: PostgresBrokerOptions): Promise<Broker> {
  return await PostgresBroker.open(checkPostgresOptions(options));
}

import type { Broker } from "../../log/broker.ts";
import { checkSqliteOptions, type SqliteBrokerOptions } from "./sqlite-broker-options.ts";
import { SqliteBroker } from "./sqlite-broker.ts";

export type { SqliteBrokerOptions } from "./sqlite-broker-options.ts";

/**
 * Opens a file that keeps a hub's topics over restarts, without a server. Hubs in several processes of one machine may share it. It needs
 * Node 22.13 or later, Bun or Deno. The file is opened in a worker thread, which keeps the process alive until the hub is closed.
 *
 * The start checks that the file can be written, is whole, and is this package's. Later failures reject the calls that they affect; the
 * broker opens the file again by itself.
 *
 * @example
 * ```ts
 * import { Hub } from "comet-sockets";
 * import { sqliteBroker } from "comet-sockets/sqlite";
 *
 * const hub = new Hub({ broker: await sqliteBroker({ path: "comet.db" }) });
 * ```
 *
 * @returns A broker for one hub, which closes it.
 * @throws {CometError} `ERR_OPTION`; `ERR_BROKER_CONFIG` if the file cannot be written, is damaged, belongs to another program or a newer
 *   version, or the runtime has no `node:sqlite`; `ERR_BROKER` if it cannot be opened for another reason, such as a full disk.
 */
export async function sqliteBroker(options: SqliteBrokerOptions): Promise<Broker> {
  return await SqliteBroker.open(checkSqliteOptions(options));
}

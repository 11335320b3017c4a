import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { sqliteBroker, type SqliteBrokerOptions } from "../../src/brokers/sqlite/index.ts";
import type { Broker } from "../../src/log/broker.ts";

/** A directory for a SQLite file, and the brokers that a test opens there. */
export interface SqliteFolder {
  readonly folder: string;
  readonly path: string;
  /** Opens a broker that is closed with the folder. */
  open(options?: Partial<SqliteBrokerOptions>): Promise<Broker>;
  close(): Promise<void>;
}

export function sqliteFolder(): SqliteFolder {
  const folder = mkdtempSync(join(tmpdir(), "comet-sockets-sqlite-"));
  const path = join(folder, "comet.db");
  const brokers: Broker[] = [];
  return {
    folder,
    path,
    open: async (options = {}) => {
      const broker = await sqliteBroker({ path, ...options });
      brokers.push(broker);
      return broker;
    },
    close: async () => {
      await Promise.all(brokers.map((broker) => broker.close()));
      rmSync(folder, { recursive: true, force: true });
    },
  };
}

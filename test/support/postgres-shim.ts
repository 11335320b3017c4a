import type { Sql } from "postgres";
import type { PostgresPool, PostgresQueryable, PostgresResult } from "../../src/brokers/postgres/index.ts";

/**
 * Adapts the package `postgres` to the broker: its `sql` as the pool. A reserved connection emits no notifications, so processes find
 * messages by polling.
 */
export function fromPostgres(sql: Sql): PostgresPool {
  return {
    connect: async () => {
      const reserved = await sql.reserve();
      return { ...transactionOf(reserved), on: () => undefined, release: () => reserved.release() };
    },
  };
}

/** Adapts the `sql` of `sql.begin` to the option `transaction` of `publish`. */
export function transactionOf(sql: Pick<Sql, "unsafe">): PostgresQueryable {
  return {
    query: async ({ text, values }): Promise<PostgresResult> => {
      if (values === undefined) return { rows: await sql.unsafe(text).simple() };
      return { rows: await sql.unsafe(text, values as never[]) };
    },
  };
}

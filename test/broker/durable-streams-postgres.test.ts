import { postgresBroker } from "../../src/brokers/postgres/index.ts";
import { Hub } from "../../src/index.ts";
import { testConformance } from "../support/durable-conformance.ts";
import { startPostgres, type PostgresServer } from "../support/postgres.ts";

let server: PostgresServer | undefined;

testConformance(
  async () => {
    server = await startPostgres();
    return new Hub({ broker: await postgresBroker({ pool: server.pool() }), pollMs: 2000 });
  },
  () => server?.close(),
);

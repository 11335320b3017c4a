import { afterAll, beforeAll } from "vitest";
import { postgresBroker } from "../../src/brokers/postgres/index.ts";
import { startPostgres, type PostgresServer } from "../support/postgres.ts";
import { brokerContract } from "./contract.ts";
import { serverWorld } from "./server-world.ts";

let server: PostgresServer;
beforeAll(async () => {
  server = await startPostgres();
});
afterAll(() => server.close());

brokerContract(
  "postgres",
  // The worlds share the server.
  (limits) =>
    serverWorld({ ...server, close: () => Promise.resolve() }, (port) =>
      postgresBroker({ pool: server.pool({ connectionString: urlAt(port) }), ...limits }),
    ),
  { hasNetwork: true, keepsFinite: true },
);

function urlAt(port: number): string {
  return server.url.replace(String(server.port), String(port));
}

import { createServer } from "node:http";
import { Hub } from "comet-sockets";
import { nodeHandler } from "comet-sockets/node";
import { postgresBroker } from "comet-sockets/postgres";
import { Pool } from "pg";

// It connects as PGHOST, PGDATABASE and PGUSER say.
export const pool = new Pool({ connectionTimeoutMillis: 5000 });
export const hub = new Hub({ broker: await postgresBroker({ pool }) });
const orders = hub.topic<{ id: number; item: string }>("orders");
await pool.query("CREATE TABLE IF NOT EXISTS orders (id serial PRIMARY KEY, item varchar(20) NOT NULL)");

/** Stores an order and publishes it: both, or neither. */
export async function order(item: string): Promise<number> {
  const client = await pool.connect();
  try {
    await client.query("BEGIN");
    const { rows } = await client.query<{ id: number }>("INSERT INTO orders (item) VALUES ($1) RETURNING id", [item]);
    const id = rows[0]?.id ?? 0;
    await orders.publish({ id, item }, { transaction: client });
    await client.query("COMMIT");
    return id;
  } catch (error) {
    await client.query("ROLLBACK");
    throw error;
  } finally {
    client.release();
  }
}

const live = nodeHandler(hub);
export const server = createServer((request, response) => {
  const { pathname, searchParams } = new URL(request.url ?? "", "http://localhost");
  if (request.method !== "POST" || pathname !== "/orders") return void live(request, response);
  order(searchParams.get("item") ?? "").then(
    (id) => response.writeHead(201).end(`${id}\n`),
    () => response.writeHead(500).end(),
  );
}).listen(process.env["PORT"] ?? 4000);

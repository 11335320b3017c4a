import { once } from "node:events";
import type { AddressInfo } from "node:net";
import type pg from "pg";
import postgres from "postgres";
import { afterAll, afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import { MemoryBrokers } from "../../src/brokers/memory/index.ts";
import { postgresBroker, type PostgresBrokerOptions } from "../../src/brokers/postgres/index.ts";
import { Hub } from "../../src/index.ts";
import type { BrokerPublication, TransactionalTopics } from "../../src/log/broker.ts";
import { Follower, followHub, notedHub } from "../support/hub.ts";
import { fromPostgres, transactionOf } from "../support/postgres-shim.ts";
import { startPostgres, type PostgresServer } from "../support/postgres.ts";
import { errorOf, expectCode, until } from "../support/sources.ts";
import { ending, freshTopic, kept, Process, publication, wide } from "./contract-world.ts";
import { patient } from "./server-world.ts";

let server: PostgresServer;
let pool: pg.Pool;
const closing: (() => unknown)[] = [];

beforeAll(async () => {
  server = await startPostgres();
  pool = server.pool({ max: 40 });
  await server.sql("CREATE TABLE account (id integer PRIMARY KEY, balance integer NOT NULL)");
  await server.sql("INSERT INTO account SELECT i, 100 FROM generate_series(1, 100) i");
});
afterEach(async () => {
  for (const close of closing.splice(0).reverse()) await close();
});
afterAll(() => server.close());

async function join(options: Partial<PostgresBrokerOptions> = {}): Promise<Process> {
  const process = new Process(await postgresBroker({ pool: server.pool(), ...patient, ...options }));
  closing.push(() => expect(process.faults).toEqual([]));
  closing.push(() => process.close());
  return process;
}

/** Publishes by a broker in a transaction. */
function publishIn(
  process: Process,
  client: unknown,
  topic: string,
  message: BrokerPublication | string,
  bounds = wide,
) {
  const given = typeof message === "string" ? publication(message) : message;
  return (process.broker.transactional as TransactionalTopics).publish(client, topic, given, bounds);
}

/** Runs `act` in a transaction, which commits unless `act` rejects. */
async function transact<R>(act: (client: pg.PoolClient) => Promise<R>, from: pg.Pool = pool): Promise<R> {
  const client = await from.connect();
  try {
    await client.query("BEGIN");
    const result = await act(client);
    await client.query("COMMIT");
    return result;
  } catch (error) {
    await client.query("ROLLBACK");
    throw error;
  } finally {
    client.release();
  }
}

const jsonsOf = async (process: Process, topic: string): Promise<string[]> =>
  (await process.readAll(topic)).messages.map(({ json }) => json);

describe("a transaction of the application", () => {
  test("publishes its messages in every process when it commits, and not before", async () => {
    const [a, b] = [await join(), await join()];
    const topic = freshTopic("committed");
    const ears = [await a.listen(topic), await b.listen(topic)];
    await a.publish(topic, '"before"');
    await transact(async (client) => {
      await publishIn(a, client, topic, publication('"one"', { event: "e", key: "k" }));
      await publishIn(a, client, topic, '"two"');
      expect(await jsonsOf(b, topic)).toEqual(['"before"']);
      // Messages that commit meanwhile come first.
      await b.publish(topic, '"between"');
    });
    const history = await b.readAll(topic);
    expect(history.messages.map(({ json }) => json)).toEqual(['"before"', '"between"', '"one"', '"two"']);
    expect(history.messages[2]).toMatchObject({ event: "e", key: "k", offset: 3 });
    for (const ear of ears) {
      await until(() => ear.notices.length === 4);
      expect(ear.notices.map(({ message }) => message)).toEqual(history.messages);
    }
    expect(await server.sql("SELECT count(*)::text AS n FROM comet.outbox")).toEqual([{ n: "0" }]);
  });

  test("publishes nothing when it rolls back, or back to a savepoint", async () => {
    const a = await join();
    const topic = freshTopic("rolled-back");
    const failed = errorOf(() =>
      transact(async (client) => {
        await publishIn(a, client, topic, '"never"');
        throw new Error("no");
      }),
    );
    expect(await failed).toMatchObject({ message: "no" });
    await transact(async (client) => {
      await publishIn(a, client, topic, '"kept"');
      await client.query("SAVEPOINT s");
      await publishIn(a, client, topic, '"undone"');
      await client.query("ROLLBACK TO SAVEPOINT s");
      await publishIn(a, client, topic, '"also kept"');
      await client.query("SAVEPOINT t");
      await publishIn(a, client, topic, '"inner"');
      await client.query("RELEASE SAVEPOINT t");
    });
    await transact((client) => publishIn(a, client, topic, '"next"'));
    const { messages } = await a.readAll(topic);
    expect(messages.map(({ json }) => json)).toEqual(['"kept"', '"also kept"', '"inner"', '"next"']);
    expect(messages.map(({ offset }) => offset)).toEqual([1, 2, 3, 4]);
  });

  test("publishes what follows SET CONSTRAINTS ALL IMMEDIATE, also after a rollback to a savepoint", async () => {
    const a = await join();
    const topic = freshTopic("immediate");
    await a.publish(topic, "0");
    await transact(async (client) => {
      await publishIn(a, client, topic, "1");
      await client.query("SET CONSTRAINTS ALL IMMEDIATE");
      await publishIn(a, client, topic, "2");
      await client.query("SAVEPOINT s");
      await publishIn(a, client, topic, '"undone"');
      await client.query("ROLLBACK TO SAVEPOINT s");
      await publishIn(a, client, topic, "3");
      expect(await jsonsOf(a, topic)).toEqual(["0"]);
    });
    expect(await jsonsOf(a, topic)).toEqual(["0", "1", "2", "3"]);
  });

  test("delays only its own topics while it holds their locks, and only for a second", async () => {
    const a = await join();
    const [held, created, other] = [freshTopic("held"), freshTopic("created"), freshTopic("other")];
    await a.publish(held, "0");
    await transact(async (client) => {
      await client.query("SET CONSTRAINTS ALL IMMEDIATE");
      await publishIn(a, client, held, "1");
      await publishIn(a, client, created, "1");
      const refused = [a.publish(held, "2"), a.acquire(created, "fence"), a.read(created), a.listen(created)];
      const published = a.publish(other, "3");
      await Promise.all(refused.map((call) => expectCode("ERR_BROKER", () => call, /lock timeout/)));
      expect((await published).offset).toBe(1);
      expect(a.told).toEqual([]);
    });
    expect(await jsonsOf(a, held)).toEqual(["0", "1"]);
    expect(await jsonsOf(a, created)).toEqual(["1"]);
  });

  test("loses nothing to readers and has no deadlock, when many commit late and lock topics in opposite orders", async () => {
    const [a, b, c] = [await join(), await join(), await join()];
    const topics = [freshTopic("x"), freshTopic("y"), freshTopic("z")];
    const ears = await Promise.all(topics.map((topic) => c.listen(topic)));
    const committed = topics.map(() => new Set<string>());
    const acknowledged = topics.map(() => new Set<string>());
    const work = async (who: number): Promise<void> => {
      for (let i = 0; i < 12; i += 1) {
        const order = (who + i) % 2 === 0 ? [0, 1, 2] : [2, 1, 0];
        const json = `"${who}.${i}"`;
        const client = await pool.connect();
        await client.query("BEGIN");
        for (const t of order) await publishIn(who % 2 === 0 ? a : b, client, topics[t] as string, json);
        // The others go on meanwhile.
        await client.query("SELECT pg_sleep($1)", [((who * 7 + i) % 5) / 200]);
        const isKept = (who + i) % 4 !== 3;
        await client.query(isKept ? "COMMIT" : "ROLLBACK");
        client.release();
        if (isKept) for (const t of order) committed[t]?.add(json);
      }
    };
    const own = async (): Promise<void> => {
      for (let i = 0; i < 200; i += 1) {
        await Promise.all(topics.map((topic) => a.publish(topic, `"hub ${i}"`)));
        for (const set of acknowledged) set.add(`"hub ${i}"`);
      }
    };
    const before = await deadlocks();
    await Promise.all([own(), ...Array.from({ length: 16 }, (_, who) => work(who))]);
    expect(await deadlocks()).toBe(before);
    for (const [t, topic] of topics.entries()) {
      const { messages } = await b.readAll(topic);
      const expected = new Set([...(committed[t] as Set<string>), ...(acknowledged[t] as Set<string>)]);
      expect(messages.map(({ offset }) => offset)).toEqual(Array.from({ length: expected.size }, (_, i) => i + 1));
      expect(new Set(messages.map(({ json }) => json))).toEqual(expected);
      const ear = ears[t] as (typeof ears)[0];
      await until(() => ear.notices.length >= messages.length);
      // No message is found late, after one with a larger offset.
      expect(ear.notices.map(({ message }) => message)).toEqual(messages);
    }
  });

  test("publishes ten thousand messages in dense order", async () => {
    const a = await join();
    const topic = freshTopic("bulk");
    const client = await pool.connect();
    await client.query("BEGIN");
    await client.query(
      `INSERT INTO comet.outbox (topic, json, max_entries, max_bytes, max_age)
       SELECT $1, i::text, 100000, 1000000000, 300000 FROM generate_series(1, 10000) i`,
      [topic],
    );
    await client.query("COMMIT");
    client.release();
    const { messages } = await a.readAll(topic);
    expect(messages.map(({ json }) => Number(json))).toEqual(Array.from({ length: 10_000 }, (_, i) => i + 1));
    expect(messages.every(({ offset }, i) => offset === i + 1)).toBe(true);
  });

  test("skips a messageId that was published before, in a transaction or by a hub", async () => {
    const a = await join();
    const topic = freshTopic("once");
    const once = publication('"first"', { messageId: "m" });
    const twice = publication('"again"', { messageId: "m" });
    await transact(async (client) => {
      await publishIn(a, client, topic, once);
      await publishIn(a, client, topic, '"other"');
      await publishIn(a, client, topic, twice);
    });
    await transact((client) => publishIn(a, client, topic, twice));
    expect((await a.publish(topic, twice)).offset).toBe(1);
    expect(await jsonsOf(a, topic)).toEqual(['"first"', '"other"']);
    // One that is rolled back is not remembered.
    const undone = publication('"undone"', { messageId: "n" });
    await errorOf(() =>
      transact(async (client) => {
        await publishIn(a, client, topic, undone);
        throw new Error("no");
      }),
    );
    expect((await a.publish(topic, undone)).offset).toBe(3);
  });

  test("fails at the commit when the topic has ended, with all that it did", async () => {
    const a = await join();
    const topic = freshTopic("ended");
    await a.publish(topic, publication("1", { messageId: "one" }), kept);
    const error = await errorOf(() =>
      transact(async (client) => {
        await client.query("UPDATE account SET balance = 0 WHERE id = 1");
        await publishIn(a, client, topic, '"late"', kept);
        await a.publish(topic, ending("complete"), kept);
      }),
    );
    expect(error).toMatchObject({ code: "CM410", message: expect.stringMatching(/^ERR_ENDED: .*has ended/) as string });
    expect(await server.sql("SELECT balance::text FROM account WHERE id = 1")).toEqual([{ balance: "100" }]);
    expect((await a.readAll(topic, 0, kept)).messages).toHaveLength(2);
    // What the topic had before its end is a duplicate, and no failure.
    await transact((client) => publishIn(a, client, topic, publication("1", { messageId: "one" }), kept));
  });

  test("trims the topic to its bounds", async () => {
    const a = await join();
    const topic = freshTopic("trimmed");
    const few = { ...wide, maxEntries: 32 };
    for (let i = 0; i < 10; i += 1) {
      await transact(async (client) => {
        for (let k = 0; k < 10; k += 1) await publishIn(a, client, topic, String(i * 10 + k), few);
      });
    }
    const [row] = await server.sql("SELECT head::text, floor::text FROM comet.topic WHERE name = $1", [topic]);
    expect(row?.["head"]).toBe("100");
    expect(Number(row?.["floor"])).toBeGreaterThanOrEqual(66);
    expect((await a.readAll(topic, 0, few)).messages.map(({ offset }) => offset)).toEqual(
      Array.from({ length: 32 }, (_, i) => 69 + i),
    );
  });

  test("needs a role with INSERT on the outbox alone, which can neither read nor publish otherwise", async () => {
    const a = await join();
    const topic = freshTopic("role");
    await server.sql("CREATE ROLE shop LOGIN; GRANT USAGE ON SCHEMA comet TO shop");
    const columns = "topic, json, event, key, message_id, max_entries, max_bytes, max_age, ttl";
    const shop = server.pool({ connectionString: server.url.replace("postgres@", "shop@") });
    const refused = await errorOf(() => transact((client) => publishIn(a, client, topic, "1"), shop));
    expect(refused).toMatchObject({ code: "ERR_BROKER", message: expect.stringContaining("INSERT") as string });
    await server.sql(`GRANT INSERT (${columns}) ON comet.outbox TO shop`);
    await transact((client) => publishIn(a, client, topic, publication("1", { messageId: "m" })), shop);
    expect(await jsonsOf(a, topic)).toEqual(["1"]);
    for (const text of [
      "SELECT * FROM comet.outbox",
      "SELECT * FROM comet.message",
      "DELETE FROM comet.outbox",
      "UPDATE comet.topic SET head = 0",
      "INSERT INTO comet.message (topic, number, at, before, json) VALUES (1, 1, 1, 1, '1')",
      "INSERT INTO comet.outbox (xid, topic, json) VALUES ('1', 'a', '1')",
      `SELECT comet.publish(1, '[]')`,
      `SELECT comet.delete('${topic}')`,
      "SELECT comet.commit_outbox()",
    ]) {
      expect(await errorOf(() => shop.query(text)), text).toMatchObject({ code: "42501" });
    }
    // Nor does a schema of its own help it.
    await server.sql("CREATE SCHEMA shop AUTHORIZATION shop");
    await transact(async (client) => {
      await client.query("CREATE FUNCTION shop.clock() RETURNS bigint LANGUAGE sql AS 'SELECT 1::bigint'");
      await client.query("CREATE FUNCTION pg_temp.octet_length(text) RETURNS integer LANGUAGE sql AS 'SELECT 1000000'");
      await client.query("SET search_path = pg_temp, shop, pg_catalog");
      await publishIn(a, client, topic, "2");
    }, shop);
    const [row] = await server.sql("SELECT total::text FROM comet.topic WHERE name = $1", [topic]);
    expect(row?.["total"]).toBe("2");
  });

  test("rejects what is no transaction with ERR_OPTION, and what the server refuses with ERR_BROKER", async () => {
    const a = await join();
    for (const wrong of [null, 1, "client", {}, { query: 1 }]) {
      await expectCode("ERR_OPTION", () => publishIn(a, wrong, "t", "1"), /transaction must be a client/);
    }
    await expectCode("ERR_OPTION", () => publishIn(a, pool, "t", "1"), /not a pool/);
    const client = await pool.connect();
    await client.query("BEGIN");
    await errorOf(() => client.query("SELECT 1 / 0"));
    const refused = await errorOf(() => publishIn(a, client, "t", "1"));
    expect(refused).toMatchObject({ code: "ERR_BROKER", cause: { code: "25P02" } });
    await client.query("ROLLBACK");
    client.release();
    const silent = { query: () => new Promise(() => undefined) };
    const impatient = await join({ timeoutMs: 50 });
    await expectCode("ERR_UNACKNOWLEDGED", () => publishIn(impatient, silent, "t", "1"), /within 50 ms/);
    const closed = await join();
    await closed.close();
    await expectCode("ERR_CLOSED", () => publishIn(closed, client, "t", "1"));
  });
});

describe("topic.publish with a transaction", () => {
  test("reaches subscribers of every process if the transaction commits, and resolves to undefined", async () => {
    const hubs = [];
    for (let i = 0; i < 2; i += 1) hubs.push(notedHub({ broker: await postgresBroker({ pool: server.pool() }) }));
    const [one, other] = hubs as [(typeof hubs)[0], (typeof hubs)[0]];
    const topic = freshTopic("transfers");
    const followers = await Promise.all(hubs.map(({ hub }) => followHub(hub, `topic=${topic}&from=oldest`)));
    const transfers = one.hub.topic<{ amount: number }>(topic);
    await transact(async (client) => {
      await client.query("UPDATE account SET balance = balance - 10 WHERE id = 2");
      await expect(transfers.publish({ amount: 10 }, { key: "2", transaction: client })).resolves.toBeUndefined();
    });
    await errorOf(() =>
      transact(async (client) => {
        await transfers.publish({ amount: 11 }, { transaction: client });
        throw new Error("no");
      }),
    );
    const position: string = await other.hub.topic<{ amount: number }>(topic).publish({ amount: 12 });
    expect(position).toMatch(/\.2$/);
    for (const follower of followers) {
      await follower.has(2);
      expect(follower.data).toEqual([{ amount: 10 }, { amount: 12 }]);
    }
    expect([...one.errors, ...other.errors]).toEqual([]);
  });

  test("checks the message, and refuses a hub whose broker has no transactions", async () => {
    const { hub } = notedHub({ broker: await postgresBroker({ pool: server.pool() }), maxMessageBytes: 100 });
    const client = {};
    const topic = hub.topic<string>("checked");
    await expectCode("ERR_MESSAGE", async () => topic.publish("x".repeat(200), { transaction: client }));
    await expectCode("ERR_MESSAGE", async () => topic.publish("x", { transaction: client, event: "a\nb" }));
    await expectCode("ERR_OPTION", async () => topic.publish("x", { transaction: client }), /transaction must be/);
    const alone = notedHub().hub.topic<string>("alone");
    await expectCode("ERR_OPTION", async () => alone.publish("x", { transaction: client }), /the hub has none/);
    const memory = new Hub({ broker: new MemoryBrokers().join() });
    closing.push(async () => {
      await memory.close({ drainMs: 0 });
    });
    const shared = memory.topic<string>("memory");
    await expectCode("ERR_OPTION", async () => shared.publish("x", { transaction: client }), /"memory" has no/);
  });
});

test("works with the package postgres by the documented shim", async () => {
  const sql = postgres(server.url, { max: 5, onnotice: () => undefined });
  closing.push(() => sql.end({ timeout: 0 }));
  const process = new Process(await postgresBroker({ pool: fromPostgres(sql) }));
  closing.push(() => process.close());
  const other = await join();
  const topic = freshTopic("shim");
  const ear = await process.listen(topic);
  const first = await process.publish(topic, publication('"é\\u0000"', { messageId: "m" }));
  expect(await other.publish(topic, publication("2", { messageId: "m" }))).toEqual(first);
  await sql.begin(async (transaction) => {
    await publishIn(process, transactionOf(transaction), topic, '"in a transaction"');
  });
  await other.publish(topic, '"by another"');
  await until(() => ear.notices.length === 3);
  expect(ear.jsons).toEqual(['"é\\u0000"', '"in a transaction"', '"by another"']);
  expect(await jsonsOf(process, topic)).toEqual(ear.jsons);
  other.signal("hello");
  await until(() => process.signals.includes("hello"));
  expect(await process.acquire(freshTopic("leased"), "fence")).toBe("acquired");
  expect(process.faults).toEqual([]);
});

async function deadlocks(): Promise<number> {
  const [row] = await server.sql("SELECT deadlocks::text FROM pg_stat_database WHERE datname = 'postgres'");
  return Number(row?.["deadlocks"]);
}

test("the example stores an order and publishes it, or neither", async () => {
  for (const [name, value] of [
    ["PGHOST", "127.0.0.1"],
    ["PGPORT", String(server.port)],
    ["PGUSER", "postgres"],
    ["PGDATABASE", "postgres"],
    ["PORT", "0"],
  ] as const) {
    vi.stubEnv(name, value);
  }
  closing.push(() => vi.unstubAllEnvs());
  const example = await import("../../examples/guides/transactions.ts");
  closing.push(async () => {
    await example.hub.close({ drainMs: 0 });
    await example.pool.end();
    example.server.closeAllConnections();
    await new Promise((resolve) => example.server.close(resolve));
  });
  if (!example.server.listening) await once(example.server, "listening");
  const origin = `http://127.0.0.1:${(example.server.address() as AddressInfo).port}`;
  const send = (item: string): Promise<Response> =>
    fetch(`${origin}/orders?item=${encodeURIComponent(item)}`, { method: "POST" });
  const reader = await (await Follower.fetch(`${origin}/live?topic=orders&from=oldest`)).begun();
  expect(await (await send("book")).text()).toBe("1\n");
  // It is too long for its column.
  expect((await send("x".repeat(21))).status).toBe(500);
  expect(await (await send("pen")).text()).toBe("2\n");
  await reader.has(2);
  expect(reader.data).toEqual([
    { id: 1, item: "book" },
    { id: 2, item: "pen" },
  ]);
  reader.leave();
});

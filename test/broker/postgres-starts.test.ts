import { setTimeout as sleep } from "node:timers/promises";
import pg from "pg";
import { afterAll, afterEach, beforeAll, describe, expect, test } from "vitest";
import {
  postgresBroker,
  postgresMigration,
  type PostgresBrokerOptions,
  type PostgresPool,
} from "../../src/brokers/postgres/index.ts";
import { freePort } from "../support/free-port.ts";
import { followHub, notedHub } from "../support/hub.ts";
import { startPgBouncer } from "../support/pgbouncer.ts";
import { startPostgres, type PostgresServer } from "../support/postgres.ts";
import { errorOf, expectCode, until } from "../support/sources.ts";
import { tcpProxy } from "../support/tcp-proxy.ts";
import { freshTopic, inFlight, Process, publication, wide } from "./contract-world.ts";
import { patient } from "./server-world.ts";

let server: PostgresServer;
const closing: (() => unknown)[] = [];

beforeAll(async () => {
  server = await startPostgres();
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

function poolAs(user: string, port = server.port): pg.Pool {
  return server.pool({ connectionString: `postgres://${user}@127.0.0.1:${port}/postgres` });
}

const open = (options: Partial<PostgresBrokerOptions>) => (): Promise<unknown> => join(options);

describe("the migration", () => {
  test("is run at the start, once by many processes, and may be run again by hand", async () => {
    const schema = "many";
    const all = await Promise.all(Array.from({ length: 4 }, () => join({ schema })));
    const first = await all[0]?.publish("t", "1");
    await server.sql(postgresMigration(schema));
    expect((await all[1]?.publish("t", "2"))?.epoch).toBe(first?.epoch);
    expect(((await all[2]?.readAll("t"))?.messages ?? []).map(({ json }) => json)).toEqual(["1", "2"]);
  });

  test("quotes any schema, and keeps two of them apart, also in one transaction", async () => {
    const [a, b] = [await join({ schema: "user" }), await join({ schema: "select" })];
    const client = await server.pool().connect();
    await client.query("BEGIN");
    for (const [i, process] of [a, b, a].entries()) {
      await process.broker.transactional?.publish(client, "t", publication(String(i)), wide);
    }
    await client.query("COMMIT");
    client.release();
    expect((await a.readAll("t")).messages.map(({ json }) => json)).toEqual(["0", "2"]);
    expect((await b.readAll("t")).messages.map(({ json }) => json)).toEqual(["1"]);
  });

  test("serves a role that may only execute the functions", async () => {
    const schema = "minimal";
    await server.sql(postgresMigration(schema));
    await server.sql("CREATE ROLE hub LOGIN");
    const pool = poolAs("hub");
    await expectCode("ERR_BROKER_CONFIG", open({ schema, pool }), /GRANT USAGE ON SCHEMA minimal/);
    await server.sql("GRANT USAGE ON SCHEMA minimal TO hub");
    const lacking = /publish\(integer,json\).*GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA minimal/;
    await expectCode("ERR_BROKER_CONFIG", open({ schema, pool }), lacking);
    await server.sql("GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA minimal TO hub");
    const [a, b] = [await join({ schema, pool }), await join({ schema, pool })];
    const ear = await b.listen("t");
    const { epoch } = await a.publish("t", publication("1", { messageId: "m" }));
    await until(() => ear.notices.length === 1);
    await a.renew("t", epoch);
    expect((await b.read("t")).epoch).not.toBe(epoch);
    expect(await a.acquire("f", "fence")).toBe("acquired");
    await a.renewLease("f", "fence");
    expect(await b.settle("f")).toBeGreaterThan(0);
    await b.delete("f");
    expect(await errorOf(() => pool.query("SELECT * FROM minimal.message"))).toMatchObject({ code: "42501" });
  });
});

describe("the start fails", () => {
  test("if the tables are missing, and may or shall not be created", async () => {
    await server.sql("CREATE ROLE visitor LOGIN");
    const missing = /missing in the schema absent.*postgresMigration\("absent"\)/;
    await expectCode("ERR_BROKER_CONFIG", open({ schema: "absent", pool: poolAs("visitor") }), missing);
    await expectCode("ERR_BROKER_CONFIG", open({ schema: "absent", migrate: false }), /migrate: false/);
    expect(await server.sql("SELECT FROM pg_namespace WHERE nspname = 'absent'")).toEqual([]);
  });

  test("if the schema is of another version, or of another program", async () => {
    await server.sql(postgresMigration("newer"));
    await server.sql("CREATE OR REPLACE FUNCTION newer.layout() RETURNS integer LANGUAGE sql AS 'SELECT 99'");
    await expectCode("ERR_BROKER_CONFIG", open({ schema: "newer" }), /another version.*99.*update this process/);
    for (const version of [1, 99]) {
      await server.sql(`UPDATE newer.server SET version = ${version}`);
      expect(await errorOf(() => server.sql(postgresMigration("newer")))).toMatchObject({ code: "P0001" });
    }
    await server.sql("CREATE SCHEMA taken; CREATE TABLE taken.orders (id integer)");
    await expectCode("ERR_BROKER_CONFIG", open({ schema: "taken" }), /taken has tables.*another schema/);
  });

  test("if a function was dropped", async () => {
    await server.sql(postgresMigration("dropped"));
    await server.sql("DROP FUNCTION dropped.fetch(json, json, integer, integer)");
    await expectCode("ERR_BROKER_CONFIG", open({ schema: "dropped" }), /fetch\(json,json,integer,integer\)/);
  });

  test("if the server is too old, or the encoding of the database is not UTF8", async () => {
    const answering = (row: object): PostgresPool => ({
      connect: () =>
        Promise.resolve({
          query: () => Promise.resolve({ rows: [row] as Record<string, unknown>[] }),
          on: () => undefined,
          release: () => undefined,
        }),
    });
    const right = { version: "120022", name: "12.22", encoding: "UTF8", standby: "false" };
    await expectCode("ERR_BROKER_CONFIG", open({ pool: answering(right) }), /12\.22.*13 or newer/);
    await server.sql("CREATE DATABASE latin ENCODING 'LATIN1' TEMPLATE template0 LC_COLLATE 'C' LC_CTYPE 'C'");
    const latin = server.pool({ connectionString: server.url.replace(/postgres$/, "latin") });
    await expectCode("ERR_BROKER_CONFIG", open({ pool: latin }), /LATIN1.*UTF8/);
  });

  test("if the database or the role does not exist, and if nothing answers", async () => {
    const unknown = server.pool({ connectionString: `${server.url}2` });
    await expectCode("ERR_BROKER_CONFIG", open({ pool: unknown }), /3D000/);
    await expectCode("ERR_BROKER_CONFIG", open({ pool: poolAs("nobody") }), /28000/);
    await expectCode("ERR_BROKER", open({ pool: poolAs("postgres", await freePort()) }), /ECONNREFUSED/);
    const proxy = await tcpProxy(server.port);
    closing.push(() => proxy.close());
    proxy.stall();
    await expectCode("ERR_BROKER", open({ pool: poolAs("postgres", proxy.port), connectTimeoutMs: 300 }), /300 ms/);
  });

  test("if an option is invalid", async () => {
    const pool = server.pool();
    const wrong: [object, RegExp][] = [
      [{}, /pool must be .*undefined/],
      [{ pool: "postgres://127.0.0.1" }, /pool must be .*postgres:/],
      [{ pool: new pg.Client() }, /pool must be/],
      [{ pool, schema: "" }, /schema/],
      [{ pool, schema: "Comet" }, /schema/],
      [{ pool, schema: "a.b" }, /schema/],
      [{ pool, schema: 'a"b' }, /schema/],
      [{ pool, schema: "pg_x" }, /schema/],
      [{ pool, migrate: 1 }, /migrate/],
      [{ pool, listen: "auto" }, /listen/],
      [{ pool, pollMs: 1 }, /pollMs/],
      [{ pool, timeoutMs: 0 }, /timeoutMs/],
      [{ pool, topicTtlMs: Infinity }, /topicTtlMs/],
    ];
    for (const [options, message] of wrong) {
      await expectCode("ERR_OPTION", () => postgresBroker(options as PostgresBrokerOptions), message);
    }
    await expectCode("ERR_OPTION", () => postgresMigration("a;b"), /schema/);
  });
});

describe("the epoch", () => {
  test("begins anew when the data come from another cluster, or from another timeline", async () => {
    const schema = "moved";
    const before = await join({ schema });
    const first = await before.publish("t", "1");
    await before.acquire("f", "fence");
    await server.sql("UPDATE moved.server SET system_id = '1'");
    const after = await join({ schema });
    const second = await after.publish("t", "2");
    expect(second.epoch).not.toBe(first.epoch);
    expect((await after.readAll("t")).messages.map(({ json }) => json)).toEqual(["2"]);
    expect(await after.settle("f")).toBeGreaterThan(0);
    // A proxy may move a connection to another server unnoticed.
    await server.sql("UPDATE moved.server SET timeline = '00000000'");
    const third = await after.publish("t", "3");
    expect(third.epoch).not.toBe(second.epoch);
    expect((await before.readAll("t")).messages.map(({ json }) => json)).toEqual(["3"]);
  });

  test("stays after a restart and a crash", async () => {
    const other = await startPostgres();
    closing.push(() => other.close());
    const a = await join({ pool: other.pool() });
    const { epoch } = await a.publish("t", "1");
    for (const [round, end] of [() => other.stop(), () => other.kill()].entries()) {
      await end();
      await other.start();
      await until(() => a.told.length === 2 * round + 2);
    }
    expect(await a.publish("t", "2")).toEqual({ epoch, offset: 2 });
  });
});

describe("rows that another program has changed", () => {
  const gaps = (items: readonly { type: string }[]): number => items.filter(({ type }) => type === "gap").length;

  test.each([
    ["an event that is too long", "UPDATE comet.message SET event = repeat('x', 201)"],
    ["an event with a line end", "UPDATE comet.message SET event = E'a\\nb'"],
    ["data that is no JSON", "UPDATE comet.message SET json = '</script>'"],
    ["no data", "UPDATE comet.message SET json = ''"],
    ["an end that is none", "UPDATE comet.message SET ended = '5'"],
    ["a time before 1970", "UPDATE comet.message SET at = -1"],
    ["a time in the far future", "UPDATE comet.message SET at = 9000000000000000000"],
    ["no row", "DELETE FROM comet.message"],
  ])("skips an entry with %s as a gap, and reports it once", async (_, change) => {
    const topic = freshTopic("bad");
    const publisher = notedHub({ broker: await postgresBroker({ pool: server.pool() }) });
    for (const text of ["before", "bad", "after"]) await publisher.hub.topic(topic).publish(text);
    await server.sql(`${change} WHERE number = 2 AND topic = (SELECT id FROM comet.topic WHERE name = '${topic}')`);
    const reader = notedHub({ broker: await postgresBroker({ pool: server.pool() }) });
    const follower = await followHub(reader.hub, `topic=${topic}&from=oldest`);
    await publisher.hub.topic(topic).publish("later");
    await until(() => follower.data.at(-1) === "later");
    expect(follower.data.slice(-2)).toEqual(["after", "later"]);
    expect(gaps(follower.items)).toBeLessThanOrEqual(1);
    expect(reader.errors).toHaveLength(1);
    expect(reader.errors[0]).toMatchObject({ code: "ERR_MESSAGE" });
  });

  test("begins another epoch when the newest message was removed", async () => {
    const a = await join();
    const topic = freshTopic("removed");
    const { epoch } = await a.publish(topic, "1");
    await a.publish(topic, "2");
    await server.sql(
      "DELETE FROM comet.message m USING comet.topic t WHERE m.topic = t.id AND t.name = $1 AND m.number = 2",
      [topic],
    );
    const history = await a.readAll(topic);
    expect(history.epoch).not.toBe(epoch);
    expect(history.messages).toEqual([]);
  });

  test("publishes over a row after the newest message", async () => {
    const a = await join();
    const topic = freshTopic("beyond");
    await a.publish(topic, "1");
    await server.sql(
      "INSERT INTO comet.message (topic, number, at, before, json) SELECT id, 2, 1, 1, '\"foreign\"' FROM comet.topic WHERE name = $1",
      [topic],
    );
    expect((await a.publish(topic, "2")).offset).toBe(2);
    expect((await a.readAll(topic)).messages.map(({ json }) => json)).toEqual(["1", "2"]);
  });

  test("follows a topic whose row was removed, in another epoch", async () => {
    const a = await join();
    const topic = freshTopic("forgotten");
    const ear = await a.listen(topic);
    const { epoch } = await a.publish(topic, "1");
    await until(() => ear.notices.length === 1);
    await server.sql("DELETE FROM comet.topic WHERE name = $1", [topic]);
    expect(await server.sql("SELECT FROM comet.message WHERE topic NOT IN (SELECT id FROM comet.topic)")).toEqual([]);
    // The process finds the new row by its next poll.
    const end = performance.now() + 5000;
    for (let i = 0; ear.notices.length < 2 && performance.now() < end; i += 1) {
      await a.publish(topic, `"${i}"`);
      await sleep(20);
    }
    expect(ear.notices[1]?.epoch).not.toBe(epoch);
  });

  test("ignores notifications that are not of a hub", async () => {
    const a = await join();
    const topic = freshTopic("notified");
    const ear = await a.listen(topic);
    for (const payload of ["", "foreign", "1:", "999999:5", "*", `"; DROP TABLE comet.topic`]) {
      await server.sql("SELECT pg_notify('comet', $1)", [payload]);
    }
    await a.publish(topic, "1");
    await until(() => ear.notices.length === 1 && a.ignored.length >= 4);
    expect(a.ignored[0]).toMatch(/channel comet is not one of a hub/);
    expect(a.told).toEqual([]);
  });
});

describe("behind PgBouncer in transaction mode", () => {
  test.each([true, false])("finds all messages by polling, with listen: %s", async (listen) => {
    const bouncer = await startPgBouncer(server.port);
    closing.push(() => bouncer.close());
    const through = { pool: poolAs("postgres", bouncer.port), listen };
    const [a, b, direct] = [await join(through), await join(through), await join()];
    const topic = freshTopic("bounced");
    const ear = await b.listen(topic);
    await inFlight(60, 10, (i) => (i % 2 === 0 ? a : direct).publish(topic, String(i)));
    const client = await through.pool.connect();
    await client.query("BEGIN");
    await a.broker.transactional?.publish(client, topic, publication('"in a transaction"'), wide);
    await client.query("COMMIT");
    client.release();
    await until(() => ear.notices.length === 61);
    expect(ear.notices.map(({ message }) => message)).toEqual((await direct.readAll(topic)).messages);
    expect(await a.acquire(freshTopic("leased"), "fence")).toBe("acquired");
    direct.signal("through");
    await until(() => a.signals.includes("through") && b.signals.includes("through"));
    expect([a.told, b.told]).toEqual([[], []]);
  });
});

describe("the upkeep", () => {
  test("removes the rows of trimmed, aged and forgotten topics", async () => {
    const schema = "upkeep";
    const a = await join({ schema, topicTtlMs: 1000 });
    const few = { ...wide, maxEntries: 10, maxAgeMs: 60_000 };
    await inFlight(2000, 100, (i) => a.publish("trimmed", String(i), few));
    await inFlight(100, 10, (i) =>
      a.publish("aged", publication(String(i), { messageId: `m${i}` }), { ...wide, maxAgeMs: 100 }),
    );
    await a.read("unused");
    const count = async (table: string): Promise<number> =>
      Number((await server.sql(`SELECT count(*)::text AS n FROM upkeep.${table}`))[0]?.["n"]);
    const deadline = performance.now() + 20_000;
    // A sweep of all topics begins at most every thirty seconds.
    const sweep = (): Promise<unknown> => server.sql("SELECT upkeep.sweep(100, 100000, 0, 1000)");
    while ((await count("message")) > 10 || (await count("seen")) > 0 || (await count("topic")) > 2) {
      if (performance.now() > deadline) expect.fail("rows are left");
      await sweep();
      await sleep(50);
    }
    expect((await a.readAll("trimmed", 0, few)).messages).toHaveLength(10);
    // The topic of signals and the one with messages stay.
    expect(await count("topic")).toBe(2);
  });
});

/**
 * Control: what the client library of an engine does by itself, with none of ours. A publish is what stores a message and tells of it; it
 * is acknowledged when the server says that it is stored.
 */
import { nowUs } from "../../fanout/messages.ts";
import { Sample } from "../../fanout/clients/sample.ts";
import type { Engine } from "../engines.ts";
import { host, type Publisher } from "./host.ts";

interface Bare extends Publisher {
  readonly follow: (topic: string, listener: (text: string) => void) => Promise<void>;
}

const [engine, url = ""] = process.argv.slice(2) as [Engine, string?];

/** A stream of some length, and a channel, in one turn: both are sent in one piece. */
async function bareRedis(): Promise<Bare> {
  const { createClient } = await import("redis");
  const client = await createClient({ url }).connect();
  const subscriber = await client.duplicate().connect();
  return {
    publish: (topic, text) =>
      Promise.all([
        client.sendCommand(["XADD", topic, "MAXLEN", "~", "4096", "*", "data", text]),
        client.sendCommand(["PUBLISH", `to-${topic}`, text]),
      ]),
    follow: async (topic, listener) => {
      await subscriber.subscribe(`to-${topic}`, listener);
    },
  };
}

/** A stream in a file, as the broker makes it, and a plain subscription to what is sent to it. */
async function bareNats(): Promise<Bare> {
  const { connect } = await import("@nats-io/transport-node");
  const { jetstream, jetstreamManager } = await import("@nats-io/jetstream");
  const connection = await connect({ servers: url });
  const manager = await jetstreamManager(connection);
  await manager.streams.add({ name: "bare", subjects: ["bare.>"], max_msgs_per_subject: 4096 });
  const stream = jetstream(connection);
  return {
    publish: (topic, text) => stream.publish(`bare.${topic}`, text),
    follow: async (topic, listener) => {
      connection.subscribe(`bare.${topic}`, { callback: (_, message) => listener(message.string()) });
      await connection.flush();
    },
  };
}

/** One row a message, in one transaction for each turn, which waits for the disk as the broker's do. */
async function bareSqlite(): Promise<Bare> {
  const { DatabaseSync } = await import("node:sqlite");
  const database = new DatabaseSync(url);
  database.exec("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE bare (topic TEXT, data TEXT)");
  const insert = database.prepare("INSERT INTO bare VALUES (?, ?)");
  return turnByTurn((rows) => {
    database.exec("BEGIN IMMEDIATE");
    for (const { topic, text } of rows) insert.run(topic, text);
    database.exec("COMMIT");
    return Promise.resolve();
  });
}

/** One row a message, in one statement for what has come since the last one. */
async function barePostgres(): Promise<Bare> {
  const { default: pg } = await import("pg");
  const client = new pg.Client({ connectionString: url });
  await client.connect();
  await client.query("CREATE TABLE bare (topic text, data text)");
  return turnByTurn(async (rows) => {
    const values = [rows.map(({ topic }) => topic), rows.map(({ text }) => text)];
    await client.query("INSERT INTO bare SELECT * FROM unnest($1::text[], $2::text[])", values);
  });
}

interface Row {
  readonly topic: string;
  readonly text: string;
  readonly done: () => void;
}

/** Stores rows together that come in one turn, or while the last ones are stored. */
function turnByTurn(store: (rows: readonly Row[]) => Promise<void>): Bare {
  let waiting: Row[] = [];
  let isStoring = false;
  const drain = async (): Promise<void> => {
    isStoring = true;
    while (waiting.length > 0) {
      const rows = waiting;
      waiting = [];
      await store(rows);
      for (const { done } of rows) done();
      await new Promise((resolve) => setImmediate(resolve));
    }
    isStoring = false;
  };
  return {
    publish: (topic, text) =>
      new Promise<void>((done) => {
        waiting.push({ topic, text, done });
        if (!isStoring) {
          isStoring = true;
          setImmediate(() => void drain());
        }
      }),
    follow: () => Promise.reject(new Error("A table notifies nobody.")),
  };
}

const bares = { memory: bareRedis, sqlite: bareSqlite, postgres: barePostgres, redis: bareRedis, nats: bareNats };
const bare = await bares[engine]();
const sample = new Sample();
let heard = 0;
let lastAt = 0;

host({ port: 0 }, bare, {
  follow: async ({ topic }: { topic: string }) => {
    await bare.follow(topic, (text) => {
      sample.read(Buffer.from(text, "latin1"));
      heard += 1;
      lastAt = nowUs();
    });
    return {};
  },
  forget: () => {
    sample.reset();
    return {};
  },
  heard: () => ({ heard, lastAt, delaysUs: sample.delaysUs }),
});

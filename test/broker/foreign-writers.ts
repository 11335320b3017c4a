import { writeFileSync } from "node:fs";
import { DatabaseSync } from "node:sqlite";
import { connect, headers, type MsgHdrs, type NatsConnection } from "@nats-io/transport-node";
import { createClient } from "redis";
import { natsBroker } from "../../src/brokers/nats/index.ts";
import { redisBroker } from "../../src/brokers/redis/index.ts";
import type { Broker } from "../../src/log/broker.ts";
import { startNats } from "../support/nats.ts";
import { startRedis } from "../support/redis.ts";
import { sqliteFolder } from "../support/sqlite.ts";

/** A server with brokers of hubs, and another program that may write to everything in it. */
export interface ForeignWriter {
  connect(): Promise<Broker>;
  /** Stores an entry in the place of the next message, and publishes it, as a hub does, with any fields and data. */
  store(topic: string, fields: string, data: string): Promise<void>;
  /** Encodes valid fields of a message. */
  fields(fields: Readonly<Record<string, unknown>>): string;
  /** Whether an object has the fields that a hub writes besides event, key and messageId. */
  isComplete(fields: Readonly<Record<string, unknown>>): boolean;
  /** Publishes a text as if it were a new message. */
  notify(topic: string, text: string): Promise<unknown>;
  signal(text: string): Promise<unknown>;
  close(): Promise<void>;
}

export interface ForeignRedis extends ForeignWriter {
  command(...args: string[]): Promise<unknown>;
}

/** A Redis server with another program. */
export async function foreignRedis(): Promise<ForeignRedis> {
  const server = await startRedis();
  const client = await createClient({ url: server.url }).connect();
  const command = (...args: string[]): Promise<unknown> => client.sendCommand(args);
  return {
    command,
    connect: () => redisBroker({ client: createClient({ url: server.url }) }),
    store: async (topic, fields, data) => {
      const base = `comet:{${topic}}:`;
      const [head, epoch, total] = (await client.hmGet(`${base}meta`, ["head", "epoch", "total"])) as string[];
      const offset = String(Number(head) + 1);
      const at = String(Date.now());
      const values = ["at", at, "before", total as string, "about", fields, "data", data];
      // At once, or a hub that reads in between would see an entry without an offset.
      await client
        .multi()
        .addCommand(["XADD", `${base}log`, `${offset}-0`, ...values])
        .addCommand(["HSET", `${base}meta`, "head", offset])
        .addCommand(["PUBLISH", `${base}live`, `${epoch} ${offset} ${at} ${fields}\n${data}`])
        .exec();
    },
    fields: (fields) => JSON.stringify(fields),
    isComplete: () => true,
    notify: (topic, text) => command("PUBLISH", `comet:{${topic}}:live`, text),
    signal: (text) => command("PUBLISH", "comet:signals", text),
    close: async () => {
      client.destroy();
      await server.close();
    },
  };
}

export interface ForeignNats extends ForeignWriter {
  readonly connection: NatsConnection;
  /** Stores a message with any headers. */
  storeWith(topic: string, encoded: MsgHdrs | undefined, data: string): Promise<void>;
}

/** A NATS server with another program. */
export async function foreignNats(): Promise<ForeignNats> {
  const server = await startNats();
  const servers = `127.0.0.1:${server.port}`;
  const connection = await connect({ servers });
  const storeWith = async (topic: string, encoded: MsgHdrs | undefined, data: string): Promise<void> => {
    await connection.request(`comet.${topic}`, data, {
      timeout: 5000,
      ...(encoded === undefined ? {} : { headers: encoded }),
    });
  };
  return {
    connection,
    storeWith,
    connect: () => natsBroker({ connection: { servers } }),
    store: async (topic, fields, data) => {
      const encoded = headers();
      encoded.set("Comet-Message", fields);
      await storeWith(topic, encoded, data);
    },
    fields: ({ messageId, ...others }) => JSON.stringify({ at: Date.now(), id: messageId, ...others }),
    isComplete: ({ at }) => Number.isSafeInteger(at) && (at as number) > 0 && (at as number) < Date.now() + 60_000,
    notify: async (topic, text) => {
      connection.publish(`comet-live.${topic}`, text);
      await connection.flush();
    },
    signal: async (text) => {
      connection.publish("comet-signal", text);
      await connection.flush();
    },
    close: async () => {
      await connection.close();
      await server.close();
    },
  };
}

export interface ForeignSqlite extends ForeignWriter {
  execute(sql: string): void;
}

/** A SQLite file with another program. */
export function foreignSqlite(): Promise<ForeignSqlite> {
  const file = sqliteFolder();
  let opened: DatabaseSync | undefined;
  // The first broker creates the tables.
  const database = (): DatabaseSync => {
    opened ??= new DatabaseSync(file.path, { timeout: 5000 });
    return opened;
  };
  const wake = (text: string): void => writeFileSync(`${file.path}-mark`, text);
  const execute = (sql: string): void => {
    database().exec(sql);
    wake("");
  };
  return Promise.resolve({
    execute,
    connect: () => file.open(),
    store: (topic, fields, data) => {
      database().exec("BEGIN IMMEDIATE");
      database().exec("UPDATE state SET seq = seq + 1");
      database().prepare("UPDATE topic SET head = head + 1 WHERE name = ? AND former = 0").run(topic);
      database()
        .prepare(
          "INSERT INTO message (seq, topic, number, at, before, fields, json) " +
            "SELECT state.seq, topic.id, topic.head, ?, topic.total, ?, ? FROM state, topic WHERE name = ? AND former = 0",
        )
        .run(Date.now(), fields, data, topic);
      execute("COMMIT");
      return Promise.resolve();
    },
    fields: (fields) => JSON.stringify(fields),
    isComplete: () => true,
    notify: (_, text) => {
      wake(text);
      return Promise.resolve();
    },
    signal: (text) => {
      database().exec("BEGIN IMMEDIATE; UPDATE state SET signal = signal + 1");
      database().prepare("INSERT INTO signal (id, at, text) SELECT signal, ?, ? FROM state").run(Date.now(), text);
      execute("COMMIT");
      return Promise.resolve();
    },
    close: async () => {
      opened?.close();
      await file.close();
    },
  });
}

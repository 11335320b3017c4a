import * as original from "resumable-stream";
import { createClient } from "redis";
import { afterAll, beforeAll, describe, expect, onTestFinished, test } from "vitest";
import { MemoryBrokers } from "../../src/brokers/memory/index.ts";
import { natsBroker } from "../../src/brokers/nats/index.ts";
import { postgresBroker } from "../../src/brokers/postgres/index.ts";
import { redisBroker } from "../../src/brokers/redis/index.ts";
import { sqliteBroker } from "../../src/brokers/sqlite/index.ts";
import { Hub } from "../../src/index.ts";
import type { Broker } from "../../src/log/broker.ts";
import { createResumableStreamContext, type ResumableStreamContext } from "../../src/surfaces/ai/index.ts";
import { startNats, type NatsServer } from "../support/nats.ts";
import { startPostgres, type PostgresServer } from "../support/postgres.ts";
import { startRedis, type RedisServer } from "../support/redis.ts";
import { errorOf, until } from "../support/sources.ts";
import { sqliteFolder } from "../support/sqlite.ts";

let redis: RedisServer;
let postgres: PostgresServer;
let nats: NatsServer;
const sqlite = sqliteFolder();
let memory: MemoryBrokers;
beforeAll(async () => {
  [redis, postgres, nats] = await Promise.all([startRedis(), startPostgres(), startNats()]);
  memory = new MemoryBrokers();
});
afterAll(async () => {
  await Promise.all([redis.close(), postgres.close(), nats.close(), sqlite.close()]);
});

async function client(): Promise<original.Publisher & original.Subscriber> {
  const made = createClient({ url: redis.url });
  made.on("error", () => undefined);
  await made.connect();
  onTestFinished(() => made.close());
  return made;
}

const hubs = new WeakMap<ResumableStreamContext, Hub>();

/** A context with connections of its own, as another process has. */
const contexts: Readonly<Record<string, () => Promise<ResumableStreamContext>>> = {
  "resumable-stream": async () => {
    const [publisher, subscriber] = [await client(), await client()];
    return original.createResumableStreamContext({
      waitUntil: null,
      publisher,
      subscriber,
    });
  },
  "comet-sockets on Redis": () => ours(redisBroker({ client: createClient({ url: redis.url }) })),
  "comet-sockets on PostgreSQL": () => ours(postgresBroker({ pool: postgres.pool() })),
  "comet-sockets on NATS": () => ours(natsBroker({ connection: { servers: `127.0.0.1:${nats.port}` } })),
  "comet-sockets on SQLite": () => ours(sqliteBroker({ path: sqlite.path })),
  "comet-sockets in memory": () => ours(memory.join()),
};

async function ours(broker: Broker | Promise<Broker>): Promise<ResumableStreamContext> {
  const hub = new Hub({ broker: await broker, onError: () => undefined });
  onTestFinished(() => hub.close({ drainMs: 0 }));
  const context = createResumableStreamContext({ hub, waitUntil: null, leaseMs: 1000 });
  hubs.set(context, hub);
  return context;
}

interface Source {
  readonly make: () => ReadableStream<string>;
  readonly writer: WritableStreamDefaultWriter<string>;
  readonly made: () => number;
}

function source(): Source {
  const { readable, writable } = new TransformStream<string, string>(undefined, { highWaterMark: 1000 });
  let made = 0;
  const make = (): ReadableStream<string> => {
    made += 1;
    return readable;
  };
  return { make, writer: writable.getWriter(), made: () => made };
}

/** Reads a stream in the background. */
class Reading {
  text = "";
  readonly done: Promise<void>;

  constructor(stream: ReadableStream<string> | null | undefined) {
    this.done = this.#read(stream ?? expect.fail("there is no stream"));
  }

  async #read(stream: ReadableStream<string>): Promise<void> {
    for await (const text of stream) this.text += text;
  }

  shows(text: string): Promise<void> {
    return until(() => this.text === text);
  }
}

describe.each(Object.entries(contexts))("the documented uses of resumable-stream, with %s", (name, open) => {
  const id = (): string => `${name}-${crypto.randomUUID()}`;

  test("resumableStream creates a stream, lets others follow it, and is null once it is done", async () => {
    const [first, second] = [await open(), await open()];
    const stream = id();
    const { make, writer, made } = source();
    const creator = new Reading(await first.resumableStream(stream, make));
    void writer.write("data: 1\n\n");
    await creator.shows("data: 1\n\n");
    const follower = new Reading(await second.resumableStream(stream, make));
    await follower.shows("data: 1\n\n");
    void writer.write("data: 2\n\n");
    void writer.close();
    await Promise.all([creator.done, follower.done]);
    expect([creator.text, follower.text]).toEqual(["data: 1\n\ndata: 2\n\n", "data: 1\n\ndata: 2\n\n"]);
    expect(made()).toBe(1);
    expect(await second.resumableStream(stream, make)).toBeNull();
    expect(made()).toBe(1);
  });

  test("resumableStream skips the characters that the client has", async () => {
    const [first, second] = [await open(), await open()];
    const stream = id();
    const { make, writer } = source();
    const creator = new Reading(await first.resumableStream(stream, make));
    void writer.write("Hello, ");
    void writer.write("world");
    await creator.shows("Hello, world");
    const follower = new Reading(await second.resumableStream(stream, make, 9));
    await follower.shows("rld");
    void writer.write("!");
    void writer.close();
    await follower.done;
    expect(follower.text).toBe("rld!");
  });

  test("createNewResumableStream and resumeExistingStream resume explicitly", async () => {
    const [first, second] = [await open(), await open()];
    const stream = id();
    const { make, writer } = source();
    expect(await second.resumeExistingStream(stream)).toBeUndefined();
    const creator = new Reading(await first.createNewResumableStream(stream, make));
    void writer.write("Hello, ");
    await creator.shows("Hello, ");
    const resumed = [
      new Reading(await second.resumeExistingStream(stream)),
      new Reading(await second.resumeExistingStream(stream, 7)),
    ];
    void writer.write("world");
    void writer.close();
    await Promise.all([creator.done, ...resumed.map(({ done }) => done)]);
    expect(resumed.map(({ text }) => text)).toEqual(["Hello, world", "world"]);
    expect(await second.resumeExistingStream(stream)).toBeNull();
  });

  test("hasExistingStream says whether a stream runs or is done", async () => {
    const [first, second] = [await open(), await open()];
    const stream = id();
    const { make, writer } = source();
    expect(await second.hasExistingStream(stream)).toBeNull();
    const creator = new Reading(await first.createNewResumableStream(stream, make));
    void writer.write("a");
    await creator.shows("a");
    expect(await second.hasExistingStream(stream)).toBe(true);
    void writer.close();
    await creator.done;
    let state: unknown;
    while (state !== "DONE") state = await second.hasExistingStream(stream);
  });

  test("a stream is completed after its first reader has gone away", async () => {
    const [first, second] = [await open(), await open()];
    const stream = id();
    const { make, writer } = source();
    const created = await first.createNewResumableStream(stream, make);
    const reader = created?.getReader() ?? expect.fail("there is no stream");
    void writer.write("a");
    expect((await reader.read()).value).toBe("a");
    await reader.cancel();
    void writer.write("b");
    const follower = new Reading(await second.resumeExistingStream(stream));
    await follower.shows("ab");
    void writer.write("c");
    void writer.close();
    await follower.done;
    expect(follower.text).toBe("abc");
  });
});

describe("what comet-sockets does besides", () => {
  const open = contexts["comet-sockets on Redis"] as () => Promise<ResumableStreamContext>;

  test("a stream fails for readers in other processes when its source fails", async () => {
    const [first, second] = [await open(), await open()];
    const { make, writer } = source();
    const creator = new Reading(await first.createNewResumableStream("failing", make));
    const follower = new Reading(await second.resumeExistingStream("failing"));
    const done = Promise.allSettled([creator.done, follower.done]);
    void writer.write("a");
    await creator.shows("a");
    await writer.abort(new Error("no memory"));
    expect(await done).toMatchObject([{ reason: { code: "ERR_FAILED" } }, { reason: { code: "ERR_FAILED" } }]);
  });

  test("a stream fails for readers in other processes when its process shuts down", async () => {
    const [first, second] = [await open(), await open()];
    const { make, writer } = source();
    const creator = new Reading(await first.createNewResumableStream("shut-down", make));
    void creator.done.catch(() => undefined);
    void writer.write("a");
    await creator.shows("a");
    const follower = new Reading(await second.resumeExistingStream("shut-down"));
    const failed = errorOf(() => follower.done);
    await follower.shows("a");
    await hubs.get(first)?.close({ drainMs: 0 });
    expect(await failed).toMatchObject({
      code: "ERR_FAILED",
      message: expect.stringContaining("ERR_PRODUCER_LOST") as unknown,
    });
  });

  test("two processes that create one stream at once make it once", async () => {
    const both = [await open(), await open()];
    const { make, writer, made } = source();
    const readings = await Promise.all(
      both.map(async (context) => new Reading(await context.resumableStream("once", make))),
    );
    void writer.write("a");
    void writer.close();
    await Promise.all(readings.map(({ done }) => done));
    expect(readings.map(({ text }) => text)).toEqual(["a", "a"]);
    expect(made()).toBe(1);
  });

  test("a stream is stopped for all readers by any process", async () => {
    const [first, second] = [await open(), await open()];
    const { make, writer } = source();
    const creator = new Reading(await first.createNewResumableStream("stopped", make));
    void writer.write("a");
    await creator.shows("a");
    const follower = new Reading(await second.resumeExistingStream("stopped"));
    await follower.shows("a");
    await hubs.get(second)?.stop("resumable-stream:stopped");
    await Promise.all([creator.done, follower.done]);
    await expect(writer.closed).rejects.toBeUndefined();
  });
});

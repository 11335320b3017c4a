import * as sqlite from "node:sqlite";
import { describe, expect, onTestFinished, test } from "vitest";
import { openDatabase } from "../../src/brokers/sqlite/open-database.ts";
import { Store } from "../../src/brokers/sqlite/store.ts";
import type { WriteCall } from "../../src/brokers/sqlite/worker-protocol.ts";
import type { History, TopicBounds } from "../../src/log/broker.ts";
import { sqliteFolder, type SqliteFolder } from "../support/sqlite.ts";
import { ending, kept, publication, wide } from "./contract-world.ts";

const HOUR_MS = 3_600_000;
const DAY_MS = 24 * HOUR_MS;

/** A store with a clock of its own, whose rows can be counted. */
class World {
  readonly store: Store;
  now = 1_800_000_000_000;
  readonly file: SqliteFolder;
  readonly #path: string;

  /** @param former The file of another store. */
  constructor(topicTtlMs = DAY_MS, former?: SqliteFolder) {
    const file = former ?? sqliteFolder();
    this.file = file;
    const options = { path: file.path, synchronous: "normal", timeoutMs: 1000, topicTtlMs, mustCheck: false } as const;
    const database = openDatabase(sqlite, options);
    this.store = new Store(database, { topicTtlMs, clock: () => this.now });
    this.#path = file.path;
    onTestFinished(async () => {
      database.close();
      await file.close();
    });
  }

  write(...calls: WriteCall[]): readonly unknown[] {
    return this.store.write(calls, Infinity, true).answers;
  }

  publish(topic: string, count: number, bounds: TopicBounds, json = '"12345678"'): void {
    this.write(
      ...Array.from({ length: count }, () => ({ op: "publish", topic, message: publication(json), bounds }) as const),
    );
  }

  read(topic: string, after: number, bounds: TopicBounds): History {
    const [answer] = this.store.read([{ op: "read", topic, after, bounds }], Infinity).answers;
    return (answer as { value: History }).value;
  }

  /** Sweeps until nothing is due, and returns the number of sweeps. */
  sweep(): number {
    for (let sweeps = 1; sweeps < 1000; sweeps += 1) if (!this.store.sweep(Infinity)) return sweeps;
    return expect.fail("the sweep does not end");
  }

  /** The size of the file without its log. */
  get bytes(): number {
    const database = new sqlite.DatabaseSync(this.#path);
    const { page_count: pages } = database.prepare("PRAGMA page_count").get() as { page_count: number };
    database.close();
    return pages * 4096;
  }

  count(table: string): number {
    const database = new sqlite.DatabaseSync(this.#path);
    const { count } = database.prepare(`SELECT count(*) AS count FROM ${table}`).get() as { count: number };
    database.close();
    return count;
  }
}

describe("a topic that is published to", () => {
  test.each([
    ["entries", { ...wide, maxEntries: 100 }],
    ["bytes", { ...wide, maxBytes: 1000 }],
    ["age", { ...wide, maxAgeMs: 100 }],
  ])("holds 256 rows more than its %s allow, at most", (_, bounds) => {
    const world = new World();
    for (let i = 0; i < 300; i += 1) {
      world.publish("t", 10, bounds);
      world.now += 10;
    }
    expect(world.count("message")).toBeLessThanOrEqual(100 * (1 + 1 / 16) + 10 + 256);
    const { floor, head, messages } = world.read("t", 0, bounds);
    expect(head).toBe(3000);
    expect(messages.length).toBe(head - floor);
    expect(messages.length).toBeLessThanOrEqual(110);
    // Those that were kept for other processes go soon.
    world.now += 10_001;
    world.sweep();
    expect(world.count("message")).toBeLessThanOrEqual(110);
  });

  test("is trimmed by no more rows at a time than a commit may take long for", () => {
    const world = new World();
    world.publish("t", 12_000, wide);
    world.publish("t", 1, { ...wide, maxEntries: 10 });
    expect(world.read("t", 0, wide).floor).toBe(1002);
    for (let i = 0; i < 20; i += 1) world.publish("t", 1, { ...wide, maxEntries: 10 });
    expect(world.read("t", 0, wide)).toMatchObject({ floor: 12_011, head: 12_021 });
  });

  test("keeps to its bounds when much is published at a time", () => {
    const world = new World();
    for (let i = 0; i < 5; i += 1) world.publish("t", 10_000, { ...wide, maxEntries: 10 });
    expect(world.read("t", 0, wide)).toMatchObject({ floor: 49_990, head: 50_000 });
  });
});

test("a process that is behind when it begins to listen is not notified of earlier messages", () => {
  const writer = new World();
  const { store } = new World(DAY_MS, writer.file);
  writer.publish("t", 5, wide);
  store.read([{ op: "listen", topic: "t", id: 1 }], Infinity);
  writer.publish("t", 1, wide);
  expect(store.next(Infinity).notices).toMatchObject([{ id: 1, notice: { previous: 5, message: { offset: 6 } } }]);
  expect(store.next(Infinity)).toMatchObject({ notices: [], isMore: false });
});

describe("the sweep", () => {
  test("removes what is too old from topics that nobody uses, some topics at a time", () => {
    const world = new World();
    const brief = { ...wide, maxAgeMs: 1000 };
    for (let i = 0; i < 300; i += 1) world.publish(`t${i}`, 10, i < 200 ? brief : wide);
    expect(world.sweep()).toBe(1);
    expect(world.count("message")).toBe(3000);
    world.now += 2000;
    expect(world.sweep()).toBeGreaterThan(3);
    expect(world.count("message")).toBe(1000);
    expect(world.count("topic")).toBe(300);
    // Offsets and epochs stay for a day.
    expect(world.read("t0", 0, brief)).toMatchObject({ floor: 10, head: 10, messages: [] });
    world.now += DAY_MS;
    world.sweep();
    expect(world.count("message")).toBe(0);
    world.now += DAY_MS;
    world.sweep();
    expect(world.count("topic")).toBe(0);
  });

  test("keeps a topic that this process listens to", () => {
    const world = new World();
    const brief = { ...wide, maxAgeMs: 1000 };
    world.publish("followed", 1, brief);
    world.publish("other", 1, brief);
    world.store.read([{ op: "listen", topic: "followed", id: 1 }], Infinity);
    for (let hour = 0; hour < 50; hour += 1) {
      world.now += HOUR_MS;
      world.store.keep(Infinity, HOUR_MS / 2);
      world.sweep();
    }
    expect(world.count("topic WHERE name = 'followed'")).toBe(1);
    expect(world.count("topic")).toBe(1);
  });

  test("removes an epoch that is over, and a topic that has ended, with all their messages", () => {
    const world = new World();
    world.publish("renewed", 20, wide);
    world.write({ op: "renew", topic: "renewed", epoch: world.read("renewed", 0, wide).epoch });
    world.publish("deleted", 20, wide);
    world.write({ op: "delete", topic: "deleted" });
    world.publish("ended", 20, kept);
    world.write({ op: "publish", topic: "ended", message: ending("complete"), bounds: kept });
    world.publish("running", 20, kept);
    expect(world.count("message")).toBe(81);
    world.now += 61_000;
    world.sweep();
    expect(world.count("message")).toBe(20);
    expect(world.read("ended", 0, kept).finite).toMatchObject({ isExpired: true });
    world.now += 2 * DAY_MS;
    world.sweep();
    expect(world.count("message")).toBe(0);
  });

  test("forgets message ids once they are older than their messages may be", () => {
    const world = new World();
    const brief = { ...wide, maxAgeMs: 1000 };
    const message = publication("1", { messageId: "id" });
    const call = { op: "publish", topic: "t", message, bounds: brief } as const;
    const [first] = world.write(call);
    world.now += 1000;
    expect(world.write(call)).toEqual([first]);
    world.now += 1;
    expect(world.write(call)).not.toEqual([first]);
    world.now += 1001;
    world.sweep();
    expect(world.count("seen")).toBe(0);
  });
});

test("signals are kept for ten seconds, and at most a thousand", () => {
  const world = new World();
  world.write(...Array.from({ length: 3000 }, (_, i) => ({ op: "signal", text: String(i) }) as const));
  expect(world.count("signal")).toBe(1000);
  for (let i = 0; i < 20; i += 1) {
    world.now += 1000;
    world.write({ op: "signal", text: "later" });
  }
  expect(world.count("signal")).toBeLessThanOrEqual(11);
});

test("a clock that is set back does not go back for messages", () => {
  const world = new World();
  world.publish("t", 1, wide);
  const { now } = world;
  world.now -= HOUR_MS;
  world.publish("t", 1, wide);
  const history = world.read("t", 0, wide);
  expect([...history.messages.map(({ at }) => at), history.now]).toEqual([now, now, now]);
});

test("many messages take the space of those that are held", () => {
  const world = new World();
  const bounds = { ...wide, maxAgeMs: 60_000 };
  const sizes: number[] = [];
  for (let round = 1; round <= 40; round += 1) {
    for (let i = 0; i < 10; i += 1) {
      for (let topic = 0; topic < 5; topic += 1)
        world.publish(`t${topic}`, 50, bounds, JSON.stringify("x".repeat(200)));
      world.now += 6000;
    }
    world.sweep();
    if (round % 10 === 0) sizes.push(world.bytes);
  }
  // Deleted rows leave room for the next ones.
  expect(sizes[3]).toBeLessThan((sizes[0] as number) * 1.2);
});

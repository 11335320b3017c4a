import { mkdirSync, openSync, closeSync, rmSync, statSync, writeSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import type { Worker } from "node:worker_threads";
import { describe, expect, onTestFinished, test } from "vitest";
import { expectCode, turns, until } from "../support/sources.ts";
import { SqliteProcess } from "../support/sqlite-process.ts";
import { sqliteFolder, type SqliteFolder } from "../support/sqlite.ts";
import { inFlight, Process, publication, wide } from "./contract-world.ts";
import { outcomeOf } from "./contract-outage.ts";

function newFolder(): SqliteFolder {
  const file = sqliteFolder();
  onTestFinished(() => file.close());
  return file;
}

function newProcess(...args: ConstructorParameters<typeof SqliteProcess>): SqliteProcess {
  const process = new SqliteProcess(...args);
  onTestFinished(() => process.kill());
  return process;
}

/** The worker threads that are started during a test, in order. */
function noteWorkers(): Worker[] {
  const workers: Worker[] = [];
  const note = (worker: Worker): void => void workers.push(worker);
  process.on("worker", note);
  onTestFinished(() => void process.off("worker", note));
  return workers;
}

describe("a worker thread that dies", () => {
  test("leaves outstanding publishes unacknowledged, is replaced, and its listeners continue", async () => {
    const file = newFolder();
    const workers = noteWorkers();
    const a = new Process(await file.open({ maxRetryMs: 50 }));
    const b = new Process(await file.open());
    const ear = await a.listen("t");
    const { epoch } = await a.publish("t", '"first"');
    // The worker waits for the lock with these when it dies.
    const other = new DatabaseSync(file.path);
    onTestFinished(() => other.close());
    other.exec("BEGIN IMMEDIATE");
    const sending = Array.from({ length: 100 }, (_, i) =>
      a.publish("t", `"${i}"`).catch((error: unknown) => outcomeOf(error)),
    );
    await turns();
    const queued = a.publish("t", '"queued"').catch((error: unknown) => outcomeOf(error));
    await workers[0]?.terminate();
    other.exec("COMMIT");
    await until(() => a.told.includes("restored"));
    expect(a.told).toEqual(["lost", "restored"]);
    expect(new Set(await Promise.all(sending))).toEqual(new Set(["unknown"]));
    expect((await b.readAll("t")).messages.map(({ json }) => json)).toEqual(['"first"']);
    expect(["unknown", "not published"]).toContain(await queued);
    const last = await b.publish("t", '"last"');
    expect(last.epoch).toBe(epoch);
    await until(() => ear.offsets.at(-1) === last.offset);
    expect([a.faults, b.faults]).toEqual([[], []]);
  });

  test("has calls rejected at once until it is replaced", async () => {
    const file = newFolder();
    const workers = noteWorkers();
    const a = new Process(await file.open());
    // The next one does not start.
    rmSync(file.path);
    mkdirSync(file.path);
    await workers[0]?.terminate();
    await until(() => a.told.length === 1);
    await expectCode("ERR_BROKER", () => a.publish("t", "1"), /is not open/);
    await expectCode("ERR_BROKER", () => a.read("t"), /is not open/);
    await expectCode("ERR_BROKER", () => a.listen("t"), /is not open/);
    a.signal("nothing");
    await a.close();
    await expectCode("ERR_CLOSED", () => a.publish("t", "1"));
  });
});

describe("a file", () => {
  test("that is removed while it is open is created again, and begins other epochs", async () => {
    const file = newFolder();
    const a = new Process(await file.open({ maxRetryMs: 50 }));
    const { epoch } = await a.publish("t", "1");
    for (const suffix of ["", "-wal", "-shm"]) rmSync(file.path + suffix);
    await until(() => a.told.includes("restored"));
    expect(a.told).toEqual(["lost", "restored"]);
    expect((await a.publish("t", "2")).epoch).not.toBe(epoch);
  });

  test("that is damaged while it is open rejects calls, is lost, and is never begun anew", async () => {
    const file = newFolder();
    const a = new Process(await file.open({ maxRetryMs: 50 }));
    // More than SQLite keeps in memory.
    const json = JSON.stringify("x".repeat(3000));
    await inFlight(3000, 500, () => a.publish("t", json));
    await a.publish("other", "1");
    const { page_count: pages } = checkpoint(file.path);
    const handle = openSync(file.path, "r+");
    for (let page = 10; page < pages - 10; page += 1) writeSync(handle, Buffer.alloc(4096, 255), 0, 4096, page * 4096);
    closeSync(handle);
    await expectCode("ERR_BROKER", () => a.readAll("t"), /malformed/);
    await until(() => a.told.length > 0);
    expect(a.told).toEqual(["lost"]);
    await expectCode("ERR_BROKER", () => a.publish("other", "2"));
    expect(statSync(file.path).size).toBeGreaterThan(4096 * (pages - 10));
    expect(readFileSync(file.path, "latin1").startsWith("SQLite format 3")).toBe(true);
  });

  test("whose lock another program holds rejects publishes in time, and takes them afterwards", async () => {
    const file = newFolder();
    const a = new Process(await file.open({ timeoutMs: 100 }));
    await a.publish("t", "1");
    const other = new DatabaseSync(file.path);
    onTestFinished(() => other.close());
    other.exec("BEGIN IMMEDIATE");
    await expectCode("ERR_BROKER", () => a.publish("t", "2"), /held the lock/);
    // Reading needs no lock.
    expect((await a.read("t")).head).toBe(1);
    other.exec("COMMIT");
    expect((await a.publish("t", "3")).offset).toBe(2);
    expect(a.told).toEqual([]);
  });

  test("whose mark is removed wakes other processes all the same", async () => {
    const file = newFolder();
    const [a, b] = [new Process(await file.open()), new Process(await file.open())];
    const ear = await a.listen("t");
    rmSync(`${file.path}-mark`);
    await b.publish("t", "1");
    await until(() => ear.notices.length === 1);
    // It is there again for the next start.
    await until(() => statSync(`${file.path}-mark`, { throwIfNoEntry: false }) !== undefined);
  });
});

/** Moves all of the log into the file. */
function checkpoint(path: string): { page_count: number } {
  const database = new DatabaseSync(path);
  database.exec("PRAGMA busy_timeout = 5000; PRAGMA wal_checkpoint(TRUNCATE)");
  const pages = database.prepare("PRAGMA page_count").get() as { page_count: number };
  database.close();
  return pages;
}

test("a full disk rejects publishes, loses nothing, and takes messages again when there is room", async () => {
  const { folder } = newFolder();
  const child = newProcess(folder);
  const path = join(folder, "comet.db");
  expect(await child.call("open", { path })).toBe("open");
  const publish = (bytes: number): Promise<unknown> => child.call("publishOne", { topic: "t", bytes });
  const acknowledged: number[] = [];
  for (let i = 0; i < 10; i += 1) acknowledged.push((await publish(100)) as number);
  const free = await child.call<number>("free", folder);
  const [filler, room] = [join(folder, "filler"), 65_536];
  await child.call("fill", { path: filler, bytes: free - room });
  let failures = 0;
  while (failures < 5) {
    const outcome = await publish(8000);
    if (typeof outcome === "number") acknowledged.push(outcome);
    else {
      expect(outcome).toBe("ERR_BROKER");
      failures += 1;
    }
    if (acknowledged.length > 200) expect.fail("the disk is not full");
  }
  expect(await offsetsIn(child)).toEqual(acknowledged);
  await child.call("fill", { path: filler, bytes: 0 });
  for (;;) {
    const outcome = await publish(100);
    if (typeof outcome !== "number") continue;
    acknowledged.push(outcome);
    break;
  }
  expect(await offsetsIn(child)).toEqual(acknowledged);
  expect(acknowledged).toEqual(acknowledged.map((_, i) => i + 1));
});

async function offsetsIn(child: SqliteProcess): Promise<number[]> {
  return (await child.call<{ offset: number }[]>("read", "t")).map(({ offset }) => offset);
}

test("several processes at full speed starve none, and each is notified of all messages", async () => {
  const { path } = newFolder();
  const children = Array.from({ length: 3 }, () => newProcess());
  await Promise.all(children.map((child) => child.call("open", { path })));
  await Promise.all(children.map((child) => child.call("listen", "t")));
  const count = 1500;
  const longest = await Promise.all(
    children.map((child, i) => child.call<number>("publish", { topics: ["t"], label: `${i}`, count, width: 4 })),
  );
  const all = await Promise.all(children.map((child) => child.call<string[]>("heard", count * 3)));
  for (const heard of all) expect(heard).toEqual(all[0]);
  expect(new Set(all[0]).size).toBe(count * 3);
  // Under the lock of SQLite itself, a process waits for seconds.
  console.log(`The longest publishes took ${longest.map((ms) => ms.toFixed(1)).join(", ")} ms.`);
  for (const ms of longest) expect(ms).toBeLessThan(2000);
});

test("a process that was stopped for long is notified of the newest message", async () => {
  const { path } = newFolder();
  const [writer, sleeper] = [newProcess(), newProcess()];
  for (const child of [writer, sleeper]) await child.call("open", { path });
  await sleeper.call("listen", "t");
  sleeper.freeze();
  await writer.call("publish", { topics: ["t"], label: "m", count: 25_000, width: 1000 });
  sleeper.thaw();
  const heard = await sleeper.call<string[]>("heard", 1);
  expect(heard.at(-1)).toBe('"m 24999"');
});

test("a closed broker lets its process end, and an open one does not", async () => {
  const file = newFolder();
  const [closed, open] = [newProcess(), newProcess()];
  for (const child of [closed, open]) expect(await child.call("open", { path: file.path })).toBe("open");
  for (const child of [closed, open]) await child.call("endAlone");
  await closed.call("close");
  closed.release();
  expect(await closed.exited()).toBe(0);
  // A process that ends by itself would have ended before the other one.
  open.release();
  const broker = await file.open();
  await broker.publish("t", publication("1"), wide);
  expect(open.isRunning).toBe(true);
});

import { createHash } from "node:crypto";
import {
  chmodSync,
  copyFileSync,
  mkdirSync,
  readFileSync,
  rmSync,
  statSync,
  truncateSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { describe, expect, onTestFinished, test } from "vitest";
import { sqliteBroker } from "../../src/brokers/sqlite/index.ts";
import type { Broker } from "../../src/log/broker.ts";
import type { Position } from "../../src/log/position.ts";
import { expectCode } from "../support/sources.ts";
import { SqliteProcess } from "../support/sqlite-process.ts";
import { sqliteFolder, type SqliteFolder } from "../support/sqlite.ts";
import { ending, kept, publication, wide } from "./contract-world.ts";

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

/** A folder with a file that held some messages, and is closed. */
async function usedFile(count = 20): Promise<SqliteFolder & { readonly last: Position }> {
  const file = newFolder();
  const broker = await file.open();
  for (let i = 1; i < count; i += 1) await broker.publish("t", publication(String(i)), wide);
  const last = await broker.publish("t", publication(String(count)), wide);
  await broker.close();
  return { ...file, last };
}

function execute(path: string, sql: string): void {
  const database = new DatabaseSync(path);
  database.exec(sql);
  database.close();
}

const hashOf = (path: string): string => createHash("sha256").update(readFileSync(path)).digest("hex");

async function expectRefusal(path: string, message: RegExp): Promise<void> {
  await expectCode("ERR_BROKER_CONFIG", () => sqliteBroker({ path }), message);
}

describe("the options", () => {
  test.each([
    [undefined, /options of sqliteBroker must be an object/],
    [{}, /path must be the path of a file/],
    [{ path: "" }, /path must be/],
    [{ path: 5 }, /path must be/],
    [{ path: ":memory:" }, /leave out the broker/],
    [{ path: "file:x.db?mode=memory" }, /path must be/],
    [{ path: "a\0b" }, /path must be/],
    [{ path: "x", synchronous: "off" }, /synchronous must be "full" or "normal"/],
    [{ path: "x", timeoutMs: 49 }, /timeoutMs must be a whole number from 50/],
    [{ path: "x", maxRetryMs: 9 }, /maxRetryMs/],
    [{ path: "x", topicTtlMs: 999 }, /topicTtlMs/],
    [{ path: "x", maxPendingBytes: 1023.5 }, /maxPendingBytes/],
  ])("refuse %j", async (options, message) => {
    await expectCode("ERR_OPTION", () => sqliteBroker(options as never), message);
  });
});

describe("the start refuses", () => {
  test("a directory that does not exist", async () => {
    await expectRefusal(join(newFolder().folder, "none", "comet.db"), /directory of .* does not exist. Create it/);
  });

  test("a path that is a directory", async () => {
    const { path } = newFolder();
    mkdirSync(path);
    await expectRefusal(path, /is not a file/);
  });

  test.each([
    ["directory", (file: SqliteFolder): string => file.folder, 0o555],
    ["file", (file: SqliteFolder): string => file.path, 0o444],
  ])("a %s that this process cannot write to", async (_, locked, mode) => {
    const file = await usedFile();
    chmodSync(file.folder, 0o777);
    for (const suffix of ["", "-mark"]) chmodSync(file.path + suffix, 0o666);
    chmodSync(locked(file), mode);
    const child = newProcess();
    // The superuser can write to all of them.
    if (process.getuid?.() === 0) await child.call("dropRights");
    const answer = await child.call<string>("open", { path: file.path });
    expect(answer).toMatch(/^ERR_BROKER_CONFIG: This process cannot write to .*Give its user the right/);
    chmodSync(file.folder, 0o777);
    chmodSync(file.path, 0o666);
    expect(await child.call<string>("open", { path: file.path })).toBe("open");
  });

  test.each([
    ["a text", (path: string): void => writeFileSync(path, "Not a database at all. ".repeat(500))],
    ["one byte", (path: string): void => writeFileSync(path, "S")],
    ["a SQLite file with tables", (path: string): void => execute(path, "CREATE TABLE users (name TEXT)")],
    ["a SQLite file of another id", (path: string): void => execute(path, "PRAGMA application_id = 7; VACUUM")],
  ])("a file of another program, and leaves it as it is: %s", async (_, write) => {
    const { path, folder } = newFolder();
    write(path);
    const before = hashOf(path);
    await expectRefusal(path, /another program.*Choose another path/);
    expect(hashOf(path)).toBe(before);
    expect(statSync(join(folder, "comet.db-mark"), { throwIfNoEntry: false })).toBeUndefined();
  });

  test.each([1, 3])("a file of another version: %s", async (version) => {
    const { path } = await usedFile();
    execute(path, `PRAGMA user_version = ${version}`);
    await expectRefusal(path, new RegExp(`its format is ${version}, and this version has format 2. Use that version`));
  });

  test.each([
    ["within its header", 60, /ends within its header/],
    ["after a page", 4096, /it has 4096 bytes, and was written with \d+/],
    ["to nothing", 0, /it is empty, but held messages/],
  ])("a file that was cut off %s", async (_, bytes, message) => {
    const { path } = await usedFile();
    truncateSync(path, bytes);
    await expectRefusal(path, message);
    expect(statSync(path).size).toBe(bytes);
  });

  test("a file whose pages are damaged", async () => {
    const { path } = await usedFile();
    const bytes = readFileSync(path);
    writeFileSync(path, bytes.fill(255, 100, 4096));
    await expectRefusal(path, /is damaged: .*Restore it from a backup/);
  });

  test("a file without its state", async () => {
    const { path } = await usedFile();
    execute(path, "DELETE FROM state");
    await expectRefusal(path, /is damaged: its state is missing/);
  });

  test("no process for the options that it was started with", async () => {
    const { path } = newFolder();
    const child = newProcess(undefined, ["--expose-gc", "--max-old-space-size=200"]);
    expect(await child.call<string>("open", { path })).toBe("open");
  });

  test("a runtime without node:sqlite", async () => {
    const { path } = newFolder();
    const child = newProcess(undefined, ["--no-experimental-sqlite"]);
    const answer = await child.call<string>("open", { path });
    expect(answer).toMatch(/^ERR_BROKER_CONFIG: This runtime has no node:sqlite. The broker needs Node 22.13 or later/);
  });
});

describe("an empty file", () => {
  test("becomes that of the broker", async () => {
    const file = newFolder();
    writeFileSync(file.path, "");
    expect(await (await file.open()).publish("t", publication("1"), wide)).toMatchObject({ offset: 1 });
  });

  test("is created once by processes that start at the same time", async () => {
    const { path } = newFolder();
    const children = Array.from({ length: 4 }, () => newProcess());
    expect(await Promise.all(children.map((child) => child.call("open", { path })))).toEqual(Array(4).fill("open"));
    await Promise.all(
      children.map((child, i) => child.call("publish", { topics: ["t"], label: `${i}`, count: 5, width: 5 })),
    );
    const [one, ...others] = await Promise.all(children.map((child) => child.call<unknown[]>("read", "t")));
    expect(one).toHaveLength(20);
    for (const other of others) expect(other).toEqual(one);
  });
});

/** The position of the newest message, and the number of messages. */
async function stateOf(broker: Broker): Promise<{ epoch: string; head: number; count: number }> {
  const { epoch, head, messages } = await broker.read("t", 0, wide, Infinity);
  return { epoch, head, count: messages.length };
}

describe("a restart", () => {
  test("keeps messages, epochs, message ids, leases and ends", async () => {
    const file = newFolder();
    const former = await file.open();
    const first = await former.publish("t", publication('"1"', { messageId: "id", event: "e", key: "k" }), wide);
    await former.publish("ended", publication("1"), kept);
    await former.publish("ended", ending("complete"), kept);
    await former.finite?.acquire("leased", { fence: "fence", leaseMs: 60_000, restart: false }, kept);
    const before = await former.read("t", 0, wide, Infinity);
    await former.close();
    const broker = await file.open();
    expect(await broker.read("t", 0, wide, Infinity)).toEqual({ ...before, now: expect.any(Number) as number });
    expect(await broker.publish("t", publication("again", { messageId: "id" }), wide)).toEqual(first);
    expect(await broker.publish("t", publication("2"), wide)).toEqual({ ...first, offset: 2 });
    await expectCode("ERR_ENDED", () => broker.publish("ended", publication("2"), kept));
    const request = { fence: "other", leaseMs: 60_000, restart: false };
    expect(await broker.finite?.acquire("leased", request, kept)).toBe("held");
    await broker.publish("leased", { ...publication("1"), fence: "fence" }, kept);
  });

  test("begins other epochs if an earlier state was restored, and keeps its messages", async () => {
    const file = await usedFile(20);
    copyFileSync(file.path, `${file.path}.backup`);
    const later = await file.open();
    await later.publish("t", publication("21"), wide);
    await later.close();
    // In place, as `cp` does it.
    writeFileSync(file.path, readFileSync(`${file.path}.backup`));
    const restored = await stateOf(await file.open());
    expect(restored).toMatchObject({ head: 20, count: 20 });
    expect(restored.epoch).not.toBe(file.last.epoch);
  });

  test("begins other epochs in a copy", async () => {
    const file = await usedFile(20);
    const copy = join(file.folder, "copy.db");
    copyFileSync(file.path, copy);
    copyFileSync(`${file.path}-mark`, `${copy}-mark`);
    const copied = await stateOf(await file.open({ path: copy }));
    expect(copied).toMatchObject({ head: 20, count: 20 });
    expect(copied.epoch).not.toBe(file.last.epoch);
    expect((await stateOf(await file.open())).epoch).toBe(file.last.epoch);
  });

  test.each([
    ["is missing", (mark: string): void => rmSync(mark)],
    ["is of another program", (mark: string): void => writeFileSync(mark, "hello")],
    ["is of another file", (mark: string): void => writeFileSync(mark, `comet-sockets another 3\n`)],
  ])("begins other epochs, once, if the mark %s", async (_, change) => {
    const file = await usedFile();
    change(`${file.path}-mark`);
    const broker = await file.open();
    const { epoch } = await stateOf(broker);
    expect(epoch).not.toBe(file.last.epoch);
    await broker.close();
    expect((await stateOf(await file.open())).epoch).toBe(epoch);
  });

  test.each([
    ["normal", "killed", false],
    ["normal", "closed", true],
    ["full", "killed", true],
  ] as const)(
    "after one of the machine, in mode %s, when the process was %s, keeps epochs: %s",
    async (mode, how, isKept) => {
      const file = newFolder();
      const child = newProcess();
      await child.call("open", { path: file.path, synchronous: mode });
      await child.call("publish", { topics: ["t"], label: "m", count: 10 });
      const observer = await file.open({ synchronous: mode });
      const before = await stateOf(observer);
      await observer.close();
      // As if another run of the operating system had written it.
      execute(file.path, "UPDATE state SET boot = 'another' WHERE boot IS NOT NULL");
      if (how === "killed") await child.kill();
      else await child.call("close");
      const after = await stateOf(await file.open({ synchronous: mode }));
      expect(after).toMatchObject({ head: 10, count: 10 });
      expect(after.epoch === before.epoch).toBe(isKept);
    },
  );
});

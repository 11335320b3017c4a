import { statSync } from "node:fs";
import type * as Sqlite from "node:sqlite";
import { CometError } from "../../core/errors.ts";
import { randomName } from "../../core/random-name.ts";
import { checkFile } from "./check-file.ts";
import { FileDatabase, pause } from "./file-database.ts";
import { bootId, fileIdentity, hasLost, type Origin } from "./find-loss.ts";
import { MessageTable } from "./message-table.ts";
import { readMark } from "./mark-file.ts";
import { APPLICATION_ID, SCHEMA, SCHEMA_VERSION } from "./schema.ts";
import { damagedError, isBusy } from "./sqlite-error.ts";
import { StateTable } from "./state-table.ts";
import type { WorkerOptions } from "./worker-protocol.ts";

/** The greatest size in bytes that the write-ahead log keeps after a long reader has let it grow. */
const LOG_BYTES = 16_777_216;

/**
 * Opens the file of a broker, creates it if it is missing, and checks that it is a broker's. Begins other epochs if it has lost messages
 * that it had acknowledged.
 *
 * @throws An error that `openError` turns into one for the application. A foreign file stays as it is.
 */
export function openDatabase(
  { DatabaseSync }: typeof Sqlite,
  { path, synchronous, timeoutMs, mustCheck }: WorkerOptions,
): FileDatabase {
  const deadline = performance.now() + timeoutMs;
  checkFile(path);
  const log = statSync(`${path}-wal`, { throwIfNoEntry: false });
  const connection = new DatabaseSync(path);
  const database = new FileDatabase(connection);
  const get = (sql: string): Record<string, unknown> => retry(deadline, () => connection.prepare(sql).get() ?? {});
  try {
    connection.exec("PRAGMA busy_timeout = 0");
    assertOwn(path, get);
    if (mustCheck) assertSound(path, get);
    get("PRAGMA journal_mode = WAL");
    const { journal_mode: mode } = get("PRAGMA journal_mode");
    if (mode !== "wal") {
      throw new CometError(
        "ERR_BROKER_CONFIG",
        "The file system has no shared memory, which SQLite needs: use a local disk.",
      );
    }
    connection.exec(`PRAGMA synchronous = ${synchronous}; PRAGMA journal_size_limit = ${LOG_BYTES}`);
    connection.exec("CREATE TEMP TABLE listened (name TEXT PRIMARY KEY) WITHOUT ROWID");
    database.write(deadline, () => {
      if (get("PRAGMA user_version")["user_version"] === 0) create(database, path);
      const origin = { file: fileIdentity(path), boot: bootId(), hadLog: (log?.size ?? 0) > 0, mark: readMark(path) };
      noteOrigin(database, path, origin, synchronous);
    });
    return database;
  } catch (error) {
    database.close();
    throw error;
  }
}

/** @throws {CometError} `ERR_BROKER_CONFIG` if the file belongs to another program, or to a newer version. */
function assertOwn(path: string, get: (sql: string) => Record<string, unknown>): void {
  const { application_id: id } = get("PRAGMA application_id");
  const { user_version: version } = get("PRAGMA user_version");
  const { tables } = get("SELECT count(*) AS tables FROM sqlite_schema");
  const file = JSON.stringify(path);
  if (id === 0 && version === 0 && tables === 0) return;
  if (id !== APPLICATION_ID) {
    throw new CometError("ERR_BROKER_CONFIG", `${file} is a SQLite file of another program. Choose another path.`);
  }
  if (version === SCHEMA_VERSION) return;
  throw new CometError(
    "ERR_BROKER_CONFIG",
    `${file} was written by another version of comet-sockets: its format is ${String(version)}, and this version has format ` +
      `${SCHEMA_VERSION}. Use that version, or another path.`,
  );
}

/** Checks all pages of a file, which takes seconds for each gigabyte. @throws {CometError} `ERR_BROKER_CONFIG`. */
function assertSound(path: string, get: (sql: string) => Record<string, unknown>): void {
  const [result] = Object.values(get("PRAGMA quick_check(1)"));
  if (result !== "ok") throw damagedError(path, String(result));
}

function create(database: FileDatabase, path: string): void {
  database.connection.exec(SCHEMA);
  database
    .prepare("INSERT INTO state (only, uid, era, seq, signal, at, file) VALUES (1, ?, ?, 0, 0, 0, ?)")
    .run(randomName(16), randomName(8), fileIdentity(path));
}

/** Begins another era, a part of all epochs, if the file has lost messages. Notes where it has come from. */
function noteOrigin(database: FileDatabase, path: string, origin: Origin, synchronous: "full" | "normal"): void {
  const states = new StateTable(database);
  const state = states.get();
  if (state === undefined) throw damagedError(path, "its state is missing");
  const { file, boot } = origin;
  const seq = Math.max(state.seq, new MessageTable(database).lastSeq());
  const isNew = state.seq === 0 && state.signal === 0;
  const era = !isNew && hasLost(state, seq, origin) ? randomName(8) : state.era;
  const isOfThisBoot = state.boot === boot;
  const unflushed = synchronous === "normal" || isOfThisBoot ? boot : null;
  if (era !== state.era || file !== state.file || unflushed !== state.boot) states.setOrigin(era, file, unflushed);
}

/** Runs a statement outside of a transaction until another process does not lock the file any more. */
function retry<R>(deadline: number, run: () => R): R {
  for (;;) {
    try {
      return run();
    } catch (error) {
      if (!isBusy(error) || performance.now() > deadline) throw error;
      pause(Math.random());
    }
  }
}

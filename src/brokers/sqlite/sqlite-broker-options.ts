import { resolve } from "node:path";
import { CometError, describe } from "../../core/errors.ts";
import { MAX_TIMER_MS, assertInteger } from "../../core/options.ts";

/** Options of {@link sqliteBroker}: the file in which a hub keeps its topics. Times are whole milliseconds. */
export interface SqliteBrokerOptions {
  /**
   * The path of the file, on a local disk. It is created if it is missing; its directory must exist, and SQLite creates files beside it.
   * Brokers in several processes of one machine may share it.
   */
  readonly path: string;
  /**
   * What an acknowledged message survives. `full`: each commit is flushed to disk, so it survives a crash of the machine. `normal`: it
   * survives the death of the process; a crash of the machine may cost the last moments, and all topics then begin another epoch.
   *
   * @default "full"
   */
  readonly synchronous?: "full" | "normal";
  /**
   * Time limit of a call while other processes hold the lock of the file, from 50. A worker thread that is silent for twice as long is
   * replaced.
   *
   * @default 5_000
   */
  readonly timeoutMs?: number;
  /**
   * Upper bound of the delay before an attempt to open the file again, from 10. Each delay is random between 0 and a bound that begins at
   * 100 ms and doubles up to this one.
   *
   * @default 5_000
   */
  readonly maxRetryMs?: number;
  /**
   * Time for which the epoch and the last offset of a topic outlive its last message, from 1,000. While a process follows the topic
   * they are kept; afterwards a client that resumes finds another epoch, which is a `gap`.
   *
   * @default 86_400_000 (a day)
   */
  readonly topicTtlMs?: number;
  /**
   * Bytes of messages that may await their commit, from 1,024. Beyond them `publish` rejects with `ERR_BROKER` at once; a larger message
   * is still stored when nothing else is pending.
   *
   * @default 16_777_216 (16 MiB)
   */
  readonly maxPendingBytes?: number;
}

/** {@link SqliteBrokerOptions}, checked and complete. */
export type SqliteSettings = Required<SqliteBrokerOptions>;

/** @throws {CometError} `ERR_OPTION`. */
export function checkSqliteOptions(options: SqliteBrokerOptions): SqliteSettings {
  if (typeof (options as unknown) !== "object" || (options as unknown) === null) {
    throw new CometError("ERR_OPTION", `The options of sqliteBroker must be an object, not ${describe(options)}.`);
  }
  const { synchronous = "full" } = options;
  if (synchronous !== "full" && (synchronous as unknown) !== "normal") {
    throw new CometError("ERR_OPTION", `synchronous must be "full" or "normal", not ${describe(synchronous)}.`);
  }
  return {
    path: assertPath(options.path),
    synchronous,
    timeoutMs: assertInteger("timeoutMs", options.timeoutMs ?? 5000, 50, MAX_TIMER_MS),
    maxRetryMs: assertInteger("maxRetryMs", options.maxRetryMs ?? 5000, 10, MAX_TIMER_MS),
    topicTtlMs: assertInteger("topicTtlMs", options.topicTtlMs ?? 86_400_000, 1000, 2 ** 45),
    maxPendingBytes: assertInteger(
      "maxPendingBytes",
      options.maxPendingBytes ?? 16_777_216,
      1024,
      Number.MAX_SAFE_INTEGER,
    ),
  };
}

function assertPath(path: unknown): string {
  if (typeof path === "string" && /^[^\0]+$/.test(path) && !/^(?::memory:|file:)/.test(path)) return resolve(path);
  throw new CometError(
    "ERR_OPTION",
    `path must be the path of a file, not ${describe(path)}. To keep topics in memory, leave out the broker.`,
  );
}

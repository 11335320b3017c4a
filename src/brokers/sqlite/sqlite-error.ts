import { CometError } from "../../core/errors.ts";

/** Result codes of SQLite that are treated on their own: https://sqlite.org/rescode.html. */
const BUSY = 5;
const LOCKED = 6;
const TOOBIG = 18;
const CONSTRAINT = 19;
const MISMATCH = 20;
const READONLY = 8;
const CORRUPT = 11;
const FULL = 13;
const CANTOPEN = 14;
const NOTADB = 26;

/** The primary result code of an error of SQLite; undefined if it is another error. */
function resultCode(error: unknown): number | undefined {
  const code = (error as { errcode?: unknown } | null)?.errcode;
  return typeof code === "number" ? code & 0xff : undefined;
}

/** Whether another connection holds the lock, so that the same statement may succeed a moment later. */
export function isBusy(error: unknown): boolean {
  const code = resultCode(error);
  return code === BUSY || code === LOCKED;
}

/** Whether an error shows that the file cannot be used as it is open now. Other errors are those of one transaction. */
export function isFatal(error: unknown): boolean {
  const code = resultCode(error);
  return code !== undefined && ![BUSY, LOCKED, TOOBIG, CONSTRAINT, MISMATCH].includes(code);
}

/** Whether the disk is full. SQLite has rolled back then, and the file must be opened anew before it takes writes again. */
export function isFull(error: unknown): boolean {
  return resultCode(error) === FULL;
}

/** Whether the content of the file is damaged. */
export function isDamaged(error: unknown): boolean {
  const code = resultCode(error);
  return code === CORRUPT || code === NOTADB;
}

/**
 * The error of a commit that failed. After most of them SQLite cannot know whether the transaction is on disk: if the flush fails, a
 * later recovery may still find it. A full disk or a lock stops it before its last page is written.
 */
export function commitError(error: unknown): CometError {
  const code = isFull(error) || isBusy(error) ? "ERR_BROKER" : "ERR_UNACKNOWLEDGED";
  return new CometError(code, `SQLite did not commit: ${messageOf(error)}`, { cause: error });
}

/** The error of a statement: nothing has changed. */
export function statementError(error: unknown): CometError {
  if (error instanceof CometError) return error;
  const reason = isFull(error) ? "the disk is full" : messageOf(error);
  return new CometError("ERR_BROKER", `SQLite failed: ${reason}`, { cause: error });
}

/** The error of a file that could not be opened: `ERR_BROKER_CONFIG` if trying again does not help, and `ERR_BROKER` otherwise. */
export function openError(path: string, thrown: unknown): CometError {
  // The error of a statement has that of SQLite as its cause.
  const error = thrown instanceof CometError && resultCode(thrown.cause) !== undefined ? thrown.cause : thrown;
  if (error instanceof CometError) return error;
  const file = JSON.stringify(path);
  const cause = { cause: error };
  switch ((error as { code?: unknown } | null)?.code) {
    case "ERR_UNKNOWN_BUILTIN_MODULE":
    case "ERR_MODULE_NOT_FOUND":
      return new CometError(
        "ERR_BROKER_CONFIG",
        `This runtime has no node:sqlite. The broker needs Node 22.13 or later, Bun or Deno; this is ${process.version}.`,
        cause,
      );
    case "ENOENT":
    case "ENOTDIR":
      return new CometError("ERR_BROKER_CONFIG", `The directory of ${file} does not exist. Create it.`, cause);
    case "EACCES":
    case "EPERM":
    case "EROFS":
      return new CometError("ERR_BROKER_CONFIG", unwritable(file, messageOf(error)), cause);
  }
  switch (resultCode(error)) {
    case READONLY:
    case CANTOPEN:
      return new CometError("ERR_BROKER_CONFIG", unwritable(file, messageOf(error)), cause);
    case CORRUPT:
    case NOTADB:
      return damagedError(path, messageOf(error), error);
  }
  return new CometError("ERR_BROKER", `SQLite cannot open ${file}: ${messageOf(error)}`, cause);
}

/** The error of a file whose content is damaged. It is left as it is. */
export function damagedError(path: string, reason: string, cause?: unknown): CometError {
  return new CometError(
    "ERR_BROKER_CONFIG",
    `The file ${JSON.stringify(path)} is damaged: ${reason}. Restore it from a backup, or move it away to begin with an empty one.`,
    { cause },
  );
}

function unwritable(file: string, reason: string): string {
  return (
    `This process cannot write to ${file} and its directory: ${reason}. ` +
    "Give its user the right to write to the file, and to create files beside it."
  );
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

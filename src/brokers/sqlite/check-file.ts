import { accessSync, closeSync, constants, openSync, readSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { CometError } from "../../core/errors.ts";
import { readMark } from "./mark-file.ts";
import { damagedError } from "./sqlite-error.ts";

/** The beginning of every SQLite file: https://sqlite.org/fileformat.html. */
const MAGIC = "SQLite format 3\0";
const HEADER_BYTES = 100;

/**
 * Checks a file before SQLite opens it: that it can be written, and that it is a whole SQLite file, if it exists. It reads the header
 * alone, so it takes no time.
 *
 * @throws {CometError} `ERR_BROKER_CONFIG`, or an error of the file system.
 */
export function checkFile(path: string): void {
  // A file that is written needs others beside it, which SQLite creates.
  accessSync(dirname(path), constants.W_OK | constants.X_OK);
  const file = statSync(path, { throwIfNoEntry: false });
  if (file === undefined) return;
  if (!file.isFile()) {
    throw new CometError("ERR_BROKER_CONFIG", `${JSON.stringify(path)} is not a file. Name a file in that place.`);
  }
  accessSync(path, constants.R_OK | constants.W_OK);
  if (file.size === 0) {
    if (readMark(path) === undefined) return;
    throw damagedError(path, "it is empty, but held messages");
  }
  const header = readHeader(path);
  if (header.toString("latin1", 0, MAGIC.length) !== MAGIC) {
    throw new CometError(
      "ERR_BROKER_CONFIG",
      `${JSON.stringify(path)} is not a SQLite file: it belongs to another program, or is damaged. Choose another path.`,
    );
  }
  if (header.length < HEADER_BYTES) throw damagedError(path, "it ends within its header");
  const pageBytes = header.readUInt16BE(16) === 1 ? 65_536 : header.readUInt16BE(16);
  // The first page is written before those that it counts; until all are, the log has them too.
  if ((statSync(`${path}-wal`, { throwIfNoEntry: false })?.size ?? 0) > 0) return;
  // The number of pages is valid if the file was last written by a version of SQLite that maintains it.
  const pages = header.readUInt32BE(24) === header.readUInt32BE(92) ? header.readUInt32BE(28) : 0;
  if (file.size < pages * pageBytes) {
    throw damagedError(path, `it has ${file.size} bytes, and was written with ${pages * pageBytes}`);
  }
}

function readHeader(path: string): Buffer {
  const file = openSync(path, "r");
  try {
    const bytes = Buffer.alloc(HEADER_BYTES);
    return bytes.subarray(0, readSync(file, bytes, 0, HEADER_BYTES, 0));
  } finally {
    closeSync(file);
  }
}

import { closeSync, constants, existsSync, fstatSync, openSync, readSync, statSync, watch, writeSync } from "node:fs";

/** The content of a mark file. */
export interface Mark {
  /** The file that it belongs to: `state.uid`. */
  readonly uid: string;
  /** A `seq` that was committed. Others may have been committed after it. */
  readonly seq: number;
}

const form = /^comet-sockets ([a-z0-9]{1,32}) (\d{1,16})\n/;
/** Always the same length, so that it can be overwritten on a full disk, and no reader sees half of one. */
const LENGTH = 64;

/**
 * The file beside the database that is written after each commit, so that other processes wake by watching it. It also shows at the
 * next start whether the database has lost what it had acknowledged.
 */
export class MarkFile {
  readonly path: string;
  readonly #uid: string;
  #file: number | undefined;
  #watcher: { close(): void } | undefined;

  /** @param path The path of the database, without symbolic links. */
  constructor(path: string, uid: string) {
    this.path = markPath(path);
    this.#uid = uid;
  }

  /** Writes the mark, which wakes all processes that watch it. Never throws: they also poll. */
  write(seq: number): void {
    try {
      this.#file ??= openSync(this.path, constants.O_RDWR | constants.O_CREAT, 0o666);
      writeSync(this.#file, `comet-sockets ${this.#uid} ${seq}`.padEnd(LENGTH - 1) + "\n", 0);
    } catch {
      this.#closeFile();
    }
  }

  /**
   * Calls `wake` whenever a process writes the mark.
   *
   * @param fail Called once if the file cannot be watched, or not any longer.
   */
  watch(wake: () => void, fail: () => void): void {
    try {
      const watcher = watch(this.path, wake);
      watcher.on("error", fail);
      this.#watcher = watcher;
    } catch {
      fail();
    }
  }

  /** Whether the file was removed or replaced since it was opened, so that writes to it wake nobody. */
  isReplaced(): boolean {
    if (this.#file === undefined) return !existsSync(this.path);
    try {
      return fstatSync(this.#file, { bigint: true }).ino !== statSync(this.path, { bigint: true }).ino;
    } catch {
      return true;
    }
  }

  close(): void {
    this.#watcher?.close();
    this.#watcher = undefined;
    this.#closeFile();
  }

  #closeFile(): void {
    if (this.#file !== undefined) closeSync(this.#file);
    this.#file = undefined;
  }
}

/** Reads the mark of a database. Returns undefined if there is none, or another program has written it. */
export function readMark(path: string): Mark | undefined {
  let file: number | undefined;
  try {
    file = openSync(markPath(path), "r");
    const bytes = Buffer.alloc(LENGTH);
    const length = readSync(file, bytes, 0, LENGTH, 0);
    // The number is followed by spaces.
    const match = form.exec(bytes.toString("latin1", 0, length).replace(/ *\n/, "\n"));
    const [, uid, seq] = match ?? [];
    return uid === undefined ? undefined : { uid, seq: Number(seq) };
  } catch {
    return undefined;
  } finally {
    if (file !== undefined) closeSync(file);
  }
}

function markPath(path: string): string {
  return `${path}-mark`;
}

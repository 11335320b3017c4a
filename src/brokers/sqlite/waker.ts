import { fileIdentity } from "./find-loss.ts";
import { MarkFile } from "./mark-file.ts";

/** The interval in milliseconds at which the file is checked where watching works, and where it does not. */
const SAFETY_POLL_MS = 1000;
const FAST_POLL_MS = 20;

/** Wakes this process when another one has written to the file, and the others when this one has. */
export class Waker {
  readonly #path: string;
  readonly #identity: string;
  readonly #wake: () => void;
  readonly #fail: (reason: string) => void;
  #mark: MarkFile;
  readonly #uid: string;
  #poll: NodeJS.Timeout | undefined;
  #safety: NodeJS.Timeout;
  #seq = 0;
  #isScheduled = false;
  /** Whether a mark of this process has been written since the last check, and whether the watcher has noticed any. */
  #hasWritten = false;
  #hasNoticed = false;

  /**
   * @param path The path of the database, without symbolic links.
   * @param uid The id in the file's state.
   * @param wake Called in a turn of its own when there may be something new.
   * @param fail Called if the file is no longer the one that is open.
   */
  constructor(path: string, uid: string, wake: () => void, fail: (reason: string) => void) {
    this.#path = path;
    this.#uid = uid;
    this.#identity = fileIdentity(path);
    this.#wake = wake;
    this.#fail = fail;
    this.#mark = new MarkFile(path, uid);
    this.#safety = setInterval(() => this.#check(), SAFETY_POLL_MS);
  }

  /** Begins to watch. @param seq The last number that was committed. */
  start(seq: number): void {
    this.#seq = seq;
    this.#mark.write(seq);
    this.#watch();
    // Windows announces a write only when the file is closed.
    if (process.platform === "win32") this.#pollFast();
  }

  /** Wakes the other processes. @param seq The last number that this process has committed. */
  wakeOthers(seq: number): void {
    this.#hasWritten = true;
    this.#seq = seq;
    this.#mark.write(seq);
  }

  close(): void {
    clearInterval(this.#safety);
    clearInterval(this.#poll);
    this.#mark.close();
  }

  #watch(): void {
    this.#mark.watch(
      () => {
        this.#hasNoticed = true;
        this.#schedule();
      },
      () => this.#pollFast(),
    );
  }

  /** Wakes once for all that is noticed in one turn. */
  #schedule(): void {
    if (this.#isScheduled) return;
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#wake();
    });
  }

  #pollFast(): void {
    this.#poll ??= setInterval(() => this.#wake(), FAST_POLL_MS);
  }

  #check(): void {
    if (!this.#isSameFile()) {
      this.#fail("The SQLite file was removed or replaced while it was open.");
      return;
    }
    // Some file systems take a watcher, and never call it.
    if (this.#hasWritten && !this.#hasNoticed) this.#pollFast();
    this.#hasWritten = this.#hasNoticed = false;
    if (this.#mark.isReplaced()) {
      this.#mark.close();
      this.#mark = new MarkFile(this.#path, this.#uid);
      this.#mark.write(this.#seq);
      this.#watch();
    }
    this.#wake();
  }

  #isSameFile(): boolean {
    try {
      return fileIdentity(this.#path).split(" ")[0] === this.#identity.split(" ")[0];
    } catch {
      return false;
    }
  }
}

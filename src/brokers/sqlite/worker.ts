/**
 * The program of the broker's worker thread, in which every call of SQLite runs: a flush to disk must not hold up the event loop of the
 * application. `worker-session.ts` starts it.
 */
import { realpathSync } from "node:fs";
import type * as Sqlite from "node:sqlite";
import { parentPort, workerData, type MessagePort } from "node:worker_threads";
import { CometError } from "../../core/errors.ts";
import { openDatabase } from "./open-database.ts";
import { isDamaged, isFatal, isFull, openError } from "./sqlite-error.ts";
import { StateTable } from "./state-table.ts";
import type { Found } from "./listeners.ts";
import { plainError, Store } from "./store.ts";
import { Waker } from "./waker.ts";
import {
  isWrite,
  type Answer,
  type FromWorker,
  type ReadCall,
  type ToWorker,
  type WorkerCall,
  type WorkerOptions,
  type WriteCall,
} from "./worker-protocol.ts";

/** The news that the main thread may have yet to deliver. Beyond it the worker reads no more: the file keeps the rest. */
const MAX_UNDELIVERED = 16;
/** The interval of the sweep in milliseconds, and the pause before the next one if there is more to remove. */
const SWEEP_MS = 10_000;
const SWEEP_MORE_MS = 100;
/** The longest interval at which topics with listeners are kept, in milliseconds: an hour. */
const MAX_KEEP_MS = 3_600_000;
/** The time in milliseconds for which work that nobody waits for waits for the lock. */
const SHORT_WAIT_MS = 100;

/** The file of a broker, and the calls of its main thread. */
class Worker {
  readonly #sqlite: typeof Sqlite;
  readonly #options: WorkerOptions;
  readonly #port: MessagePort;
  readonly #waker: Waker;
  readonly #keeper: NodeJS.Timeout;
  #store: Store;
  #sweeper: NodeJS.Timeout | undefined;
  #undelivered = 0;
  #isClosed = false;

  constructor(sqlite: typeof Sqlite, options: WorkerOptions, port: MessagePort) {
    this.#sqlite = sqlite;
    this.#options = options;
    this.#port = port;
    this.#store = this.#open();
    // Several names of one file have one mark.
    const path = realpathSync(options.path);
    const uid = new StateTable(this.#store.database).get()?.uid ?? "";
    this.#waker = new Waker(
      path,
      uid,
      () => this.#attempt(() => this.#pump()),
      (reason) => this.#fail(new CometError("ERR_BROKER", reason)),
    );
    this.#waker.start(this.#store.seq);
    this.#sweepLater(SWEEP_MS * Math.random());
    const keepMs = Math.min(options.topicTtlMs / 4, MAX_KEEP_MS);
    this.#keeper = setInterval(() => this.#attempt(() => this.#store.keep(soon(), keepMs / 2)), keepMs);
    port.on("message", (message: ToWorker) => this.#receive(message));
    this.#send({ type: "opened" });
  }

  #open(): Store {
    return new Store(openDatabase(this.#sqlite, this.#options), this.#options);
  }

  #receive(message: ToWorker): void {
    if (this.#isClosed) return;
    if (message.type === "calls") this.#answer(message.calls, message.sentAt);
    else if (message.type === "close") this.#close();
    else {
      this.#undelivered -= 1;
      this.#attempt(() => this.#pump());
    }
  }

  #answer(calls: readonly WorkerCall[], sentAt: number): void {
    // The clock may be set in between; that the calls have waited here too matters more.
    const waitedMs = Math.max(0, Date.now() - sentAt);
    const deadline = performance.now() + Math.max(0, this.#options.timeoutMs - waitedMs);
    const answers: Answer[] = [];
    const errors: unknown[] = [];
    const put = (those: readonly WorkerCall[], theirs: readonly Answer[]): void => {
      let next = 0;
      for (const [i, call] of calls.entries()) {
        if (call === those[next]) answers[i] = theirs[next++] as Answer;
      }
    };
    const isRead = (call: WorkerCall): call is ReadCall => !isWrite(call);
    const writes: WriteCall[] = calls.filter(isWrite);
    const reads: ReadCall[] = calls.filter(isRead);
    let found: Found | undefined;
    let wakeAt: number | undefined;
    if (writes.length > 0) {
      try {
        const outcome = this.#store.write(writes, deadline, this.#undelivered < MAX_UNDELIVERED);
        put(writes, outcome.answers);
        ({ found, wakeAt } = outcome);
        this.#sendNews(found, outcome.ignored);
      } catch (error) {
        put(
          writes,
          writes.map(() => plainError(error)),
        );
        errors.push(error);
      }
    }
    if (reads.length > 0) {
      try {
        const outcome = this.#store.read(reads, deadline);
        put(reads, outcome.answers);
        if (outcome.error !== undefined) errors.push(outcome.error);
      } catch (error) {
        put(
          reads,
          reads.map(() => plainError(error)),
        );
        errors.push(error);
      }
    }
    this.#send({ type: "answers", answers });
    if (wakeAt !== undefined) this.#waker.wakeOthers(wakeAt);
    // A worker that ends sends nothing afterwards.
    for (const error of errors) this.#recover(error);
    if (wakeAt !== undefined && found === undefined) this.#attempt(() => this.#pump());
  }

  /** Sends what is new in the file. */
  #pump(): void {
    if (this.#isClosed || this.#undelivered >= MAX_UNDELIVERED) return;
    const found = this.#store.next(soon());
    this.#sendNews(found, []);
    if (found.isMore) setImmediate(() => this.#attempt(() => this.#pump()));
  }

  #sendNews(found: Found | undefined, ignored: readonly string[]): void {
    const { notices = [], signals = [] } = found ?? {};
    if (notices.length === 0 && signals.length === 0 && ignored.length === 0) return;
    this.#undelivered += 1;
    this.#send({ type: "news", news: { notices, signals, ignored } });
  }

  #sweepLater(ms: number): void {
    this.#sweeper = setTimeout(() => {
      this.#sweepLater(SWEEP_MS);
      this.#attempt(() => {
        if (!this.#store.sweep(soon())) return;
        clearTimeout(this.#sweeper);
        this.#sweepLater(SWEEP_MORE_MS);
      });
    }, ms);
  }

  /** Runs work that nobody waits for. */
  #attempt(work: () => void): void {
    if (this.#isClosed) return;
    try {
      work();
    } catch (error) {
      this.#recover(error);
    }
  }

  /** Opens the file anew if it takes no writes, as after a full disk. Ends the worker if the file cannot be used. */
  #recover(error: unknown): void {
    const cause = error instanceof CometError ? error.cause : error;
    if (this.#isClosed || !isFatal(cause)) return;
    if (!isFull(cause)) {
      this.#fail(error);
      return;
    }
    const former = this.#store;
    former.database.close();
    try {
      this.#store = this.#open();
      this.#store.listeners.take(former.listeners);
    } catch (reason) {
      this.#fail(openError(this.#options.path, reason));
    }
  }

  #fail(error: unknown): void {
    if (this.#isClosed) return;
    this.#send(failure(error));
    this.#close();
  }

  #close(): void {
    this.#isClosed = true;
    this.#waker.close();
    clearInterval(this.#keeper);
    clearTimeout(this.#sweeper);
    this.#store.database.close();
    this.#port.close();
  }

  #send(message: FromWorker): void {
    this.#port.postMessage(message);
  }
}

function failure(error: unknown): FromWorker {
  const cause = error instanceof CometError ? error.cause : error;
  return { type: "failed", ...plainError(error), isDamaged: isDamaged(cause) };
}

/** The deadline of work that nobody waits for. */
function soon(): number {
  return performance.now() + SHORT_WAIT_MS;
}

async function start(port: MessagePort, options: WorkerOptions): Promise<void> {
  try {
    new Worker(await import("node:sqlite"), options, port);
  } catch (error) {
    port.postMessage(failure(openError(options.path, error)));
    port.close();
  }
}

if (parentPort !== null) await start(parentPort, workerData as WorkerOptions);

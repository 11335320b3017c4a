import { Worker } from "node:worker_threads";
import { CometError } from "../../core/errors.ts";
import { unrefTimeout, type Timer } from "../../core/timers.ts";
import { afterTurn } from "../../core/turn.ts";
import type { SqliteSettings } from "./sqlite-broker-options.ts";
import {
  isWrite,
  type Answer,
  type FromWorker,
  type News,
  type PlainError,
  type ToWorker,
  type WorkerCall,
  type WorkerOptions,
} from "./worker-protocol.ts";
import type {} from "./worker.ts";

/** The batches of calls that the worker may have at a time: one that it runs, and the next one. Later calls wait here. */
const MAX_BATCHES = 2;

/** The time in milliseconds that the start of a thread may take, and the recovery of a large log. */
const START_MS = 10_000;

interface PendingCall {
  readonly call: WorkerCall;
  readonly resolve: (value: unknown) => void;
  readonly reject: (error: CometError) => void;
}

/** The end of a session, with its reason. */
export interface SessionEnd {
  readonly error: CometError;
  readonly isDamaged: boolean;
}

/** The events of a session. */
export interface SessionHost {
  /** Called in a turn of its own with what is new in the file. */
  news(news: News): void;
  /** Called once if the session ends without being closed. */
  ended(end: SessionEnd): void;
}

/**
 * One life of the worker thread: it opens the file, and answers calls. All calls of one turn are one message, and those that change the
 * file one transaction. Calls that come while the worker is busy make the next batch.
 */
export class WorkerSession {
  readonly #worker: Worker;
  readonly #timeoutMs: number;
  readonly #host: SessionHost;
  #queued: PendingCall[] = [];
  readonly #sent: (readonly PendingCall[])[] = [];
  #isScheduled = false;
  #isOver = false;
  #isClosing = false;
  #watchdog: Timer | undefined;
  readonly #opened: { resolve: () => void; reject: (end: SessionEnd) => void };
  readonly #exited: Promise<void>;

  /** Resolves when the file is open. Rejects with a {@link SessionEnd}. @param mustCheck Whether to check all of the file. */
  static async open(settings: SqliteSettings, mustCheck: boolean, host: SessionHost): Promise<WorkerSession> {
    let session: WorkerSession | undefined;
    await new Promise<void>((resolve, reject) => {
      try {
        session = new WorkerSession(settings, mustCheck, host, { resolve, reject });
      } catch (cause) {
        const error = new CometError("ERR_BROKER", "The worker thread cannot be started.", { cause });
        reject({ error, isDamaged: false } satisfies SessionEnd);
      }
    });
    return session as unknown as WorkerSession;
  }

  private constructor(
    { path, synchronous, timeoutMs, topicTtlMs }: SqliteSettings,
    mustCheck: boolean,
    host: SessionHost,
    opened: { resolve: () => void; reject: (end: SessionEnd) => void },
  ) {
    this.#timeoutMs = timeoutMs;
    this.#host = host;
    this.#opened = opened;
    const workerData: WorkerOptions = { path, synchronous, timeoutMs, topicTtlMs, mustCheck };
    // The sources run as they are, too.
    const program = import.meta.url.endsWith(".ts") ? "./worker.ts" : "./worker.js";
    this.#worker = new Worker(new URL(program, import.meta.url), {
      workerData,
      name: "comet-sockets sqlite",
      // A worker inherits the options of the process. This one of `node -e` does not fit a file.
      ...(process.execArgv.some((option) => option.startsWith("--input-type")) && { execArgv: [] }),
    });
    this.#worker.on("message", (message: FromWorker) => this.#receive(message));
    this.#worker.on("error", (error) => this.#end(`The worker thread has failed: ${describeError(error)}`, error));
    this.#exited = new Promise((resolve) => {
      this.#worker.on("exit", () => {
        this.#end("The worker thread has ended.");
        resolve();
      });
    });
    // The check of a large file takes long.
    if (!mustCheck) this.#expectAnswer(START_MS);
  }

  /** Whether nothing can be sent any more. */
  get isOver(): boolean {
    return this.#isOver || this.#isClosing;
  }

  /** Sends a call with the others of this turn. Rejects with the codes of `Broker`. */
  call(call: WorkerCall): Promise<unknown> {
    return new Promise((resolve, reject) => {
      this.#queued.push({ call, resolve, reject });
      if (this.#isScheduled) return;
      this.#isScheduled = true;
      afterTurn(() => {
        this.#isScheduled = false;
        this.#flush();
      });
    });
  }

  /** Runs the calls that were made, and closes the file. Rejects what is not answered within the time limit. */
  async close(): Promise<void> {
    if (this.#isClosing) return this.#exited;
    this.#isClosing = true;
    this.#flush(Infinity);
    this.#post({ type: "close" });
    const timer = unrefTimeout(() => void this.#worker.terminate(), this.#timeoutMs * 2);
    await this.#exited;
    clearTimeout(timer);
  }

  #flush(most: number = MAX_BATCHES): void {
    if (this.#isOver || this.#queued.length === 0 || this.#sent.length >= most) return;
    const batch = this.#queued;
    this.#queued = [];
    if (this.#sent.length === 0) this.#expectAnswer();
    this.#sent.push(batch);
    this.#post({ type: "calls", calls: batch.map(({ call }) => call), sentAt: Date.now() });
  }

  #receive(message: FromWorker): void {
    switch (message.type) {
      case "opened":
        clearTimeout(this.#watchdog);
        this.#opened.resolve();
        break;
      case "answers":
        this.#settle(message.answers);
        break;
      case "news":
        this.#post({ type: "delivered" });
        if (!this.#isClosing) this.#host.news(message.news);
        break;
      case "closed":
        void this.#worker.terminate();
        break;
      case "failed":
        this.#endWith({ error: errorOf(message.error), isDamaged: message.isDamaged });
        void this.#worker.terminate();
    }
  }

  #settle(answers: readonly Answer[]): void {
    const batch = this.#sent.shift() ?? [];
    clearTimeout(this.#watchdog);
    if (this.#sent.length > 0) this.#expectAnswer();
    for (const [i, { resolve, reject }] of batch.entries()) {
      const answer = answers[i];
      if (answer === undefined) reject(new CometError("ERR_UNACKNOWLEDGED", "The worker thread has sent no answer."));
      else if ("error" in answer) reject(errorOf(answer.error));
      else resolve(answer.value);
    }
    if (!this.#isScheduled) {
      this.#isScheduled = true;
      // Calls that follow from these answers belong to the same turn.
      afterTurn(() => {
        this.#isScheduled = false;
        this.#flush();
      });
    }
  }

  #expectAnswer(moreMs: number = 0): void {
    clearTimeout(this.#watchdog);
    const limit = this.#timeoutMs * 2 + moreMs;
    this.#watchdog = unrefTimeout(() => {
      this.#end(`The worker thread has not answered within ${limit} ms.`);
      void this.#worker.terminate();
    }, limit);
  }

  #end(reason: string, cause?: unknown): void {
    this.#endWith({ error: new CometError("ERR_BROKER", reason, { cause }), isDamaged: false });
  }

  #endWith(end: SessionEnd): void {
    if (this.#isOver) return;
    this.#isOver = true;
    clearTimeout(this.#watchdog);
    this.#opened.reject(end);
    const { error } = end;
    for (const { call, reject } of this.#sent.splice(0).flat()) {
      const isUnknown = isWrite(call);
      reject(new CometError(isUnknown ? "ERR_UNACKNOWLEDGED" : "ERR_BROKER", error.message, { cause: error }));
    }
    for (const { reject } of this.#queued.splice(0))
      reject(new CometError("ERR_BROKER", error.message, { cause: error }));
    if (!this.#isClosing) this.#host.ended(end);
  }

  #post(message: ToWorker): void {
    this.#worker.postMessage(message);
  }
}

function errorOf({ code, message }: PlainError): CometError {
  return new CometError(code, message);
}

function describeError(error: unknown): string {
  return error instanceof Error ? error.message : String(error);
}

import { randomUUID } from "node:crypto";
import type { IncomingMessage, ServerResponse } from "node:http";
import { setTimeout as wait } from "node:timers/promises";
import { Enumeratee, Enumerator, type Hub, type StreamOutcome, type TopicOptions } from "comet-sockets";

const ROWS = 5000;
const ROWS_A_STEP = 50;
/** The row at which the database fails an export of the kind `failing`. */
const FAILING_ROW = 3000;
const MAX_RUNNING = 20;
const MAX_KEPT = 100;
/** The time that an export is kept after its end: its file as long as its topic. */
const TTL_MS = 600_000;

/** The message of a topic `job:ID`. Each has the whole state, so a page needs the newest alone: `from=last:1`. */
export interface Progress {
  readonly id: string;
  readonly done: number;
  readonly total: number;
}

interface Job {
  state: "running" | StreamOutcome["outcome"];
  /** The lines of its file. */
  lines: string[];
  /** The time in milliseconds since 1970 until which it is kept. */
  keptUntil: number;
}

/** The hub's option `topics` for exports. A job begins before a page learns its id, so no request waits for one. */
export function jobTopics(name: string): TopicOptions | false {
  return /^job:[\da-f-]{36}$/.test(name) && { finite: true, ttlMs: TTL_MS, startTimeoutMs: 0 };
}

/** Exports of orders into CSV files. Each is a job, whose progress is a topic that ends. */
export class Exports {
  readonly #hub: Hub;
  readonly #query: (signal: AbortSignal) => Promise<unknown>;
  readonly #jobs = new Map<string, Job>();

  /** @param query The work of each step: in place of a query to a database. */
  constructor(hub: Hub, query = (signal: AbortSignal): Promise<unknown> => wait(80, undefined, { signal })) {
    this.#hub = hub;
    this.#query = query;
  }

  /** Answers a request: POST starts an export, DELETE cancels it, GET has the file of a complete one. */
  readonly answer = (request: IncomingMessage, response: ServerResponse, query: URLSearchParams): void => {
    const id = query.get("id") ?? "";
    const job = this.#find(id);
    if (request.method === "POST") this.#answerPost(response, query.get("kind") === "failing");
    else if (job === undefined) send(response, 404, "There is no such export.");
    else if (request.method === "DELETE") {
      // It aborts the signal of the step, and ends the topic as stopped.
      void this.#hub.stop(`job:${id}`);
      response.writeHead(204).end();
    } else if (job.state !== "complete") send(response, 409, "This export has no file.");
    else {
      response.setHeader("content-disposition", `attachment; filename="orders-${id.slice(0, 8)}.csv"`);
      send(response, 200, job.lines.join("\n"), "text/csv; charset=utf-8");
    }
  };

  #answerPost(response: ServerResponse, isFailing: boolean): void {
    const running = [...this.#jobs.values()].filter(({ state }) => state === "running").length;
    if (running >= MAX_RUNNING) send(response, 429, `${MAX_RUNNING} exports are running. Wait for one of them.`);
    else send(response, 201, JSON.stringify({ id: this.#start(isFailing) }), "application/json");
  }

  #find(id: string): Job | undefined {
    const job = this.#jobs.get(id);
    if (job === undefined || Date.now() <= job.keptUntil) return job;
    this.#jobs.delete(id);
    return undefined;
  }

  #start(isFailing: boolean): string {
    const id = randomUUID();
    const job: Job = { state: "running", lines: ["order,customer,cents"], keptUntil: Infinity };
    const steps = Enumerator.unfold(1, (row) => (row > ROWS ? undefined : [row, row + 1]))
      .through(Enumeratee.grouped(ROWS_A_STEP))
      .through(
        Enumeratee.mapAsync(async (rows, signal): Promise<Progress> => {
          await this.#query(signal);
          if (isFailing && rows.includes(FAILING_ROW)) throw new Error("connect ECONNREFUSED 10.0.0.7:5432");
          job.lines.push(...rows.map((row) => `${row},customer ${row % 97},${(row * 7919) % 100_000}`));
          return { id, done: job.lines.length - 1, total: ROWS };
        }),
      )
      .through(Enumeratee.heading<Progress>({ id, done: 0, total: ROWS }))
      .through(Enumeratee.recover((error) => this.#fail(id, error)));
    this.#keep(id, job);
    void this.#hub
      .produce<Progress>(`job:${id}`, () => steps)
      .then(({ outcome }) => {
        job.state = outcome;
        if (outcome !== "complete") job.lines = [];
        job.keptUntil = Date.now() + TTL_MS;
      });
    return id;
  }

  /**
   * Ends the topic with a text for readers. The error's own text may describe the server to strangers: it goes to the log
   * alone. Without this, readers get "The source of this topic has failed."
   */
  async *#fail(id: string, error: unknown): AsyncGenerator<never> {
    console.error(error);
    const message = "The database did not answer. Try again in a few minutes.";
    await this.#hub.topic(`job:${id}`).end({ error: { code: "database", message } });
  }

  /** Adds a job. The oldest makes room for it, with its file and its topic. */
  #keep(id: string, job: Job): void {
    this.#jobs.set(id, job);
    if (this.#jobs.size <= MAX_KEPT) return;
    const oldest = [...this.#jobs.keys()].find((key) => this.#jobs.get(key)?.state !== "running");
    if (oldest === undefined) return;
    this.#jobs.delete(oldest);
    void this.#hub.topic(`job:${oldest}`).delete();
  }
}

function send(response: ServerResponse, status: number, body: string, type = "text/plain; charset=utf-8"): void {
  response.writeHead(status, { "content-type": type, "cache-control": "no-store" }).end(body);
}

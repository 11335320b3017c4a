import { unrefTimeout, type Timer } from "../../core/timers.ts";
import type { PostgresSession } from "./postgres-session.ts";

/** The interval at which trimmed messages are removed, and topics are looked for that are to be swept, in milliseconds. */
const INTERVAL_MS = 1000;
/** The pause between two sweeps of all topics by all processes together, in milliseconds. */
const SWEEP_PAUSE_MS = 30_000;
/** The most rows that one statement removes, and the most topics that it sweeps: it holds up publications for some milliseconds. */
const ROWS = 2000;
const SWEEP_TOPICS = 200;

/**
 * Removes what topics no longer hold, in small pieces between the publications of one session: trimmed messages of topics that this
 * process publishes to, and what a sweep of all topics finds.
 */
export class Upkeep {
  readonly #session: PostgresSession;
  readonly #unusedMs: number;
  readonly #published = new Set<number>();
  #timer: Timer | undefined;
  #isOver = false;

  constructor(session: PostgresSession, unusedMs: number) {
    this.#session = session;
    this.#unusedMs = unusedMs;
  }

  start(): void {
    if (!this.#isOver) this.#timer = unrefTimeout(() => void this.#run(), INTERVAL_MS);
  }

  stop(): void {
    this.#isOver = true;
    clearTimeout(this.#timer);
  }

  /** Notes that messages were added to a topic. */
  note(id: number): void {
    this.#published.add(id);
  }

  async #run(): Promise<void> {
    try {
      await this.#clean();
      while (!this.#isOver && (await this.#sweep())) await Promise.resolve();
    } catch {
      // If the connection is broken, the session has ended. Otherwise the next run tries again.
    }
    this.start();
  }

  async #clean(): Promise<void> {
    if (this.#published.size === 0) return;
    const ids = JSON.stringify([...this.#published]);
    this.#published.clear();
    for (let removed = ROWS; removed >= ROWS && !this.#isOver;) {
      const rows = await this.#session.write("SELECT comet.clean($1::text::json, $2) AS answer", [ids, ROWS]);
      removed = Number(rows[0]?.["answer"]);
    }
  }

  /** Sweeps the next topics. Resolves to whether there are more. */
  async #sweep(): Promise<boolean> {
    const values = [SWEEP_TOPICS, ROWS, SWEEP_PAUSE_MS, this.#unusedMs];
    const rows = await this.#session.write("SELECT comet.sweep($1, $2, $3, $4) AS answer", values);
    return rows[0]?.["answer"] === "more";
  }
}

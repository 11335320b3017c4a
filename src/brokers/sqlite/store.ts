import { CometError } from "../../core/errors.ts";
import type { Database } from "./database.ts";
import { Listeners, type Found } from "./listeners.ts";
import { MessageTable } from "./message-table.ts";
import { SignalTable } from "./signal-table.ts";
import { Sweep } from "./sweep.ts";
import { TopicTable } from "./topic-table.ts";
import { Topics } from "./topics.ts";
import { Counters, type Transaction } from "./transaction.ts";
import type { Answer, PlainError, ReadCall, WriteCall } from "./worker-protocol.ts";

/** The options of a store. */
export interface StoreOptions {
  readonly topicTtlMs: number;
  /** The time in milliseconds since 1970. @default Date.now */
  readonly clock?: () => number;
}

/** The outcome of calls that write. */
export interface WriteOutcome {
  readonly answers: readonly Answer[];
  /** The notices of these calls for the listeners of this process, if they had been notified of all before. */
  readonly found: Found | undefined;
  /** The last `seq`, if other processes are to be woken. */
  readonly wakeAt: number | undefined;
}

type ReadOnlyCall = ReadCall & { readonly op: "read" };

/** The topics whose time to be forgotten is put off in one transaction, and the ids that are forgotten in one. */
const KEPT_TOPICS = 500;
const FORGOTTEN_IDS = 5000;

/** An open file with all that is prepared for it. Each method runs one transaction, or two. */
export class Store {
  readonly database: Database;
  readonly listeners: Listeners;
  readonly #counters: Counters;
  readonly #topics: Topics;
  readonly #topicTable: TopicTable;
  readonly #signals: SignalTable;
  readonly #sweep: Sweep;
  #seq: number;
  readonly #ignored: string[] = [];

  constructor(database: Database, { topicTtlMs, clock = Date.now }: StoreOptions) {
    this.database = database;
    const messages = new MessageTable(database);
    this.#topicTable = new TopicTable(database, topicTtlMs);
    this.#topics = new Topics(database, this.#topicTable, messages);
    this.#signals = new SignalTable(database);
    this.#counters = new Counters(database, messages, clock);
    this.#sweep = new Sweep(database, this.#topicTable, messages, topicTtlMs, clock);
    const { seq, signal } = this.#counters.get();
    this.#seq = Math.max(seq, messages.lastSeq());
    this.listeners = new Listeners(database, messages, this.#signals, { seq: this.#seq, signal });
  }

  /** The last `seq` that this process knows. */
  get seq(): number {
    return this.#seq;
  }

  /**
   * Runs calls that write in one transaction. They are on disk when this returns.
   *
   * @param mayNotify Whether notices of these calls may be returned; if not, `next` will.
   * @throws {CometError} `ERR_BROKER`, `ERR_UNACKNOWLEDGED`, for all of them.
   */
  write(calls: readonly WriteCall[], deadline: number, mayNotify: boolean): WriteOutcome {
    const { tx, answers } = this.#transact(deadline, (tx) => calls.map((call) => answerOf(() => this.#run(tx, call))));
    const { seq, signal } = this.listeners;
    const { base } = tx;
    const isNew = tx.seq > base.seq || tx.signal > base.signal;
    const isCurrent = mayNotify && base.seq === seq && base.signal === signal;
    const found = isCurrent ? this.listeners.ofOwn(tx) : undefined;
    return { answers, found, wakeAt: isNew ? tx.seq : undefined };
  }

  /**
   * Runs calls that read on one state of the file.
   *
   * @returns The answers, and the error of a transaction that trims what was read or adds topics, if it failed.
   * @throws {CometError} `ERR_BROKER`, for all of them.
   */
  read(
    calls: readonly ReadCall[],
    deadline: number,
  ): { readonly answers: readonly Answer[]; readonly error?: unknown } {
    const answers: (Answer | undefined)[] = [];
    const stale = new Map<number, ReadOnlyCall>();
    this.database.read(deadline, () => {
      const state = this.#counters.get();
      for (const [i, call] of calls.entries()) {
        answers[i] = { value: undefined };
        if (call.op === "listen") this.listeners.add(call.topic, call.id, Math.max(state.seq, this.#seq));
        else if (call.op === "unlisten") this.listeners.delete(call.topic);
        else {
          const answer = this.#topics.read(state, call.topic, call.after, call.bounds);
          answers[i] = answer && { value: answer.history };
          if (answer?.isStale !== false) stale.set(i, call);
        }
      }
    });
    try {
      if (stale.size > 0) this.#mend(answers, stale, deadline);
      return { answers: answers as Answer[] };
    } catch (error) {
      // Trimming is made up for later.
      return { answers: Array.from(calls, (_, i) => answers[i] ?? plainError(error)), error };
    }
  }

  /** Finds what other processes have added, and what `write` did not return. @throws {CometError} `ERR_BROKER`. */
  next(deadline: number): Found {
    return this.database.read(deadline, () => {
      const state = this.#counters.get();
      this.#seq = Math.max(this.#seq, state.seq);
      return this.listeners.next(state);
    });
  }

  /** Content of other programs that was removed since the last call, in words. */
  takeIgnored(): readonly string[] {
    return this.#ignored.splice(0);
  }

  /** The time in milliseconds since 1970 at which a sweep has something to remove; undefined if there is nothing. */
  get nextDue(): number | undefined {
    return this.#sweep.nextDue;
  }

  /** Removes what is too old from topics that are not published to. Returns whether there is more to remove. */
  sweep(deadline: number): boolean {
    if (!this.database.read(deadline, () => this.#sweep.isDue)) return false;
    return this.#transact(deadline, (tx) => {
      const areMoreIds = this.#topics.forgetIds(tx, FORGOTTEN_IDS);
      return this.#sweep.run(tx) || areMoreIds;
    }).answers;
  }

  /** Puts off the time at which the topics that this process listens to are forgotten, if they were used before `ms` ago. */
  keep(deadline: number, ms: number): void {
    const topics = [...this.listeners.topics];
    for (let i = 0; i < topics.length; i += KEPT_TOPICS) {
      this.#transact(deadline, ({ now }) => {
        for (const topic of topics.slice(i, i + KEPT_TOPICS)) this.#topicTable.keep(topic, now, now - ms);
      });
    }
  }

  /** Adds the topics that were read and have no row, and trims those that hold messages that are too old. */
  #mend(answers: (Answer | undefined)[], stale: ReadonlyMap<number, ReadOnlyCall>, deadline: number): void {
    const created = new Map<number, Answer>();
    this.#transact(deadline, (tx) => {
      for (const [i, { topic, after, bounds }] of stale) {
        if (answers[i] !== undefined) this.#topics.trimTo(tx, topic, bounds);
        else {
          this.#topics.create(tx, topic);
          // It is valid only if the transaction is committed.
          created.set(i, { value: this.#topics.read(tx, topic, after, bounds)?.history });
        }
      }
    });
    for (const [i, answer] of created) answers[i] = answer;
  }

  #transact<R>(deadline: number, run: (tx: Transaction) => R): { readonly tx: Transaction; readonly answers: R } {
    const result = this.database.write(deadline, () => {
      const tx = this.#counters.begin();
      const answers = run(tx);
      this.#topics.finish(tx);
      if (tx.signals.length > 0) this.#signals.trim(tx);
      this.#counters.end(tx);
      return { tx, answers };
    });
    if (result.tx.base.seq !== this.#seq) this.database.noteContention();
    this.#seq = result.tx.seq;
    this.#ignored.push(...result.tx.ignored);
    return result;
  }

  #run(tx: Transaction, call: WriteCall): unknown {
    const topics = this.#topics;
    switch (call.op) {
      case "publish":
        return topics.publish(tx, call.topic, call.message, call.bounds);
      case "settle":
        return topics.settle(tx, call.topic, call.message, call.bounds);
      case "renew":
        topics.renew(tx, call.topic, call.epoch);
        return undefined;
      case "acquire":
        return topics.acquire(tx, call.topic, call.request, call.bounds);
      case "renewLease":
        topics.renewLease(tx, call.topic, call.fence, call.leaseMs);
        return undefined;
      case "delete":
        return topics.delete(tx, call.topic);
      case "signal":
        this.#signals.add(tx, call.text);
        return undefined;
    }
  }
}

/** The answer of a call. A refusal has changed nothing, so the other calls of its transaction are not affected. */
function answerOf(run: () => unknown): Answer {
  try {
    return { value: run() };
  } catch (error) {
    if (error instanceof CometError) return plainError(error);
    throw error;
  }
}

/** An error as an answer, which crosses threads. */
export function plainError(error: unknown): { readonly error: PlainError } {
  if (error instanceof CometError) return { error: { code: error.code, message: error.message } };
  return { error: { code: "ERR_BROKER", message: error instanceof Error ? error.message : String(error) } };
}

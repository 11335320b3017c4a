import type { Notice } from "../../log/broker.ts";
import type { Database, Statement } from "./database.ts";
import type { MessageTable, TopicMessageRow } from "./message-table.ts";
import { messageOf } from "./row-codec.ts";
import type { SignalTable } from "./signal-table.ts";
import type { AddedMessage, Transaction } from "./transaction.ts";

/** New content of the file for the listeners of this process. */
export interface Found {
  readonly notices: { readonly id: number; readonly notice: Notice }[];
  readonly signals: string[];
  /** Whether there is more. */
  readonly isMore: boolean;
}

interface Listener {
  readonly id: number;
  /** The last `seq` before it listened. */
  readonly since: number;
}

/** The messages and signals that are read at a time. */
const PAGE = 128;
/** The lag in messages beyond which only the newest message of each topic is notified of: hubs read the rest. */
const MAX_LAG = 20_000;

/**
 * The topics that this process listens to, and the place up to which it has notified of messages and signals. All messages of the file
 * have one order, by `seq`, so one number is the place in all topics.
 */
export class Listeners {
  readonly #byTopic = new Map<string, Listener>();
  readonly #messages: MessageTable;
  readonly #signals: SignalTable;
  readonly #insert: Statement;
  readonly #remove: Statement;
  seq: number;
  signal: number;

  /** @param place The place from which on it notifies. */
  constructor(
    database: Database,
    messages: MessageTable,
    signals: SignalTable,
    place: { seq: number; signal: number },
  ) {
    this.#messages = messages;
    this.#signals = signals;
    this.#insert = database.prepare("INSERT OR IGNORE INTO temp.listened (name) VALUES (?)");
    this.#remove = database.prepare("DELETE FROM temp.listened WHERE name = ?");
    ({ seq: this.seq, signal: this.signal } = place);
  }

  get topics(): IterableIterator<string> {
    return this.#byTopic.keys();
  }

  /** Continues with a file that was opened anew. */
  take(others: Listeners): void {
    ({ seq: this.seq, signal: this.signal } = others);
    for (const [topic, listener] of others.#byTopic) this.#put(topic, listener);
  }

  /** @param seq The last one in the file. */
  add(topic: string, id: number, seq: number): void {
    this.#put(topic, { id, since: seq });
  }

  delete(topic: string): void {
    if (this.#byTopic.delete(topic)) this.#remove.run(topic);
  }

  /**
   * The notices of a transaction of this process, which follows all that was notified of. Without that, it must be read from the file in its
   * turn.
   */
  ofOwn(tx: Transaction): Found {
    this.seq = tx.seq;
    this.signal = tx.signal;
    return { notices: this.#noticesOf(tx.added), signals: tx.signals, isMore: false };
  }

  /** Reads what is new in the file, in a transaction. */
  next(last: { readonly seq: number; readonly signal: number; readonly era: string }): Found {
    const signals = this.#signals.after(this.signal, last.signal, PAGE);
    this.signal = signals.length < PAGE ? Math.max(this.signal, last.signal) : (signals.at(-1)?.id ?? last.signal);
    const rows = this.#nextRows(last.seq);
    const notices = this.#noticesOf(rows.map((row) => addedOf(row, last.era)));
    const isMore = this.seq < last.seq || this.signal < last.signal;
    return { notices, signals: signals.map(({ text }) => text), isMore };
  }

  #nextRows(last: number): TopicMessageRow[] {
    if (last <= this.seq) return [];
    if (this.#byTopic.size === 0) {
      this.seq = last;
      return [];
    }
    if (last - this.seq > MAX_LAG) {
      const newest = Array.from(this.topics, (topic) => this.#messages.newestOf(topic, this.seq, last));
      this.seq = last;
      return newest.filter((row) => row !== undefined);
    }
    const rows = this.#messages.listenedAfter(this.seq, last, PAGE);
    this.seq = rows.length < PAGE ? last : (rows.at(-1)?.seq ?? last);
    return rows;
  }

  #noticesOf(added: readonly AddedMessage[]): Found["notices"] {
    const notices: Found["notices"] = [];
    for (const { topic, seq, notice } of added) {
      const listener = this.#byTopic.get(topic);
      if (listener !== undefined && seq > listener.since) notices.push({ id: listener.id, notice });
    }
    return notices;
  }

  #put(topic: string, listener: Listener): void {
    this.#byTopic.set(topic, listener);
    this.#insert.run(topic);
  }
}

function addedOf(row: TopicMessageRow, era: string): AddedMessage {
  const { seq, name, epoch, number } = row;
  return { seq, topic: name, notice: { epoch: epoch + era, previous: number - 1, message: messageOf(row) } };
}

import { CometError } from "../../core/errors.ts";
import { Queue } from "../../core/queue.ts";
import { afterTurn } from "../../core/turn.ts";
import type { BrokerPublication, TopicBounds } from "../../log/broker.ts";
import type { Position } from "../../log/position.ts";
import { runAnswersOf, type RunAnswer } from "./message-codec.ts";
import type { PostgresSession } from "./postgres-session.ts";
import { sqlStateOf, writeError } from "./sql-errors.ts";

/** The size of one batch, approximately. */
const BATCH_MESSAGES = 1000;
const BATCH_BYTES = 1_048_576;
/** The bytes of a pending message besides its data, approximately. */
const ENVELOPE_BYTES = 512;
/** The longest waits for a topic that a transaction of the application has locked, in milliseconds: in a batch, and for it alone. */
const BATCH_LOCK_MS = 250;
const LONE_LOCK_MS = 1000;
/** States of errors that one topic or message of a batch may have caused. */
const ofOne = /^(?:55P03|40P01|40001|22|23|54)/;

/** The kind of a message: one more, the end, or the end only if the producer's lease has lapsed. */
export type PublishKind = "" | "end" | "settle";

/** The outcome of a publication: its position, or the word of the function that did not publish it. */
export interface PublishAnswer {
  readonly position: Position | undefined;
  readonly word: string;
  readonly leftMs: number;
}

interface Item {
  readonly topic: string;
  readonly message: BrokerPublication;
  readonly bounds: TopicBounds;
  readonly kind: PublishKind;
  readonly bytes: number;
  readonly deadline: number;
  readonly resolve: (answer: PublishAnswer) => void;
  readonly reject: (error: unknown) => void;
}

/** Messages of one topic, one after the other, with the same bounds and lease. An end is a run of its own. */
export interface PublishRun {
  readonly topic: string;
  readonly items: Item[];
}

/**
 * Gathers the publications of a turn, and of the time until the last batch is answered, into one transaction. So one process has one
 * flush of the server's log for all of them, and their order is kept.
 */
export class PublishQueue {
  readonly #timeoutMs: number;
  readonly #maxPendingBytes: number;
  readonly #session: () => PostgresSession | undefined;
  readonly #onPublished: (run: PublishRun, answer: RunAnswer) => void;
  readonly #items = new Queue<Item>();
  #pendingBytes = 0;
  #isBusy = false;

  /**
   * @param session The present session.
   * @param onPublished Called with each run that has added messages, before its publications resolve.
   */
  constructor(
    limits: { readonly timeoutMs: number; readonly maxPendingBytes: number },
    session: () => PostgresSession | undefined,
    onPublished: (run: PublishRun, answer: RunAnswer) => void,
  ) {
    this.#timeoutMs = limits.timeoutMs;
    this.#maxPendingBytes = limits.maxPendingBytes;
    this.#session = session;
    this.#onPublished = onPublished;
  }

  /** @throws {CometError} As a rejection: `ERR_BROKER`, `ERR_UNACKNOWLEDGED`. */
  add(topic: string, message: BrokerPublication, bounds: TopicBounds, kind: PublishKind): Promise<PublishAnswer> {
    const bytes = message.bytes + (message.ended?.length ?? 0) + ENVELOPE_BYTES;
    if (this.#pendingBytes > 0 && this.#pendingBytes + bytes > this.#maxPendingBytes) {
      const reason = `PostgreSQL is slow: ${this.#pendingBytes} bytes of messages await its answer.`;
      return Promise.reject(new CometError("ERR_BROKER", reason));
    }
    this.#pendingBytes += bytes;
    return new Promise<PublishAnswer>((resolve, reject) => {
      const deadline = performance.now() + this.#timeoutMs;
      this.#items.push({ topic, message, bounds, kind, bytes, deadline, resolve, reject });
      if (this.#isBusy) return;
      this.#isBusy = true;
      afterTurn(() => void this.#drain());
    }).finally(() => {
      this.#pendingBytes -= bytes;
    });
  }

  /** Rejects all that was not sent. */
  rejectUnsent(error: () => CometError): void {
    while (this.#items.size > 0) this.#items.shift().reject(error());
  }

  async #drain(): Promise<void> {
    while (this.#items.size > 0) await this.#send(this.#nextBatch(), BATCH_LOCK_MS);
    this.#isBusy = false;
  }

  #nextBatch(): Item[] {
    const batch: Item[] = [];
    let bytes = 0;
    const now = performance.now();
    while (this.#items.size > 0 && batch.length < BATCH_MESSAGES) {
      const item = this.#items.peek();
      if (batch.length > 0 && bytes + item.bytes > BATCH_BYTES) break;
      this.#items.shift();
      if (item.deadline < now)
        item.reject(new CometError("ERR_BROKER", "PostgreSQL is slow: the message was not sent in time."));
      else {
        batch.push(item);
        bytes += item.bytes;
      }
    }
    return batch;
  }

  async #send(items: readonly Item[], lockMs: number): Promise<void> {
    const runs = runsOf(items);
    if (runs.length === 0) return;
    let answers: RunAnswer[];
    try {
      const session = this.#session();
      if (session === undefined) throw new CometError("ERR_BROKER", "There is no connection to PostgreSQL.");
      const values = [lockMs, JSON.stringify(runs.map(encodeRun))];
      const rows = await session.write("SELECT comet.publish($1, $2::text::json) AS answer", values);
      answers = runAnswersOf(rows, runs.length);
    } catch (error) {
      const isLast = lockMs === LONE_LOCK_MS;
      if (!isLast && ofOne.test(sqlStateOf(error) ?? "")) await this.#sendApart(items);
      else for (const item of items) item.reject(writeError("publish", error));
      return;
    }
    for (const [i, run] of runs.entries()) this.#settle(run, answers[i] as RunAnswer);
  }

  /** Sends the messages of each topic on their own, since one of them has made the batch fail. */
  async #sendApart(items: readonly Item[]): Promise<void> {
    for (const topic of new Set(items.map((item) => item.topic))) {
      await this.#send(
        items.filter((item) => item.topic === topic),
        LONE_LOCK_MS,
      );
    }
  }

  #settle(run: PublishRun, answer: RunAnswer): void {
    const { word, leftMs, epoch, first, positions } = answer;
    if (answer.added > 0) this.#onPublished(run, answer);
    for (const [i, item] of run.items.entries()) {
      const position = positions === undefined ? { epoch, offset: first + i } : positions[i];
      if (position !== undefined && (word === "" || positions !== undefined))
        item.resolve({ position, word: "", leftMs });
      else item.resolve({ position: undefined, word, leftMs });
    }
  }
}

/** Divides a batch into runs, in the order of the messages of each topic. */
function runsOf(items: readonly Item[]): PublishRun[] {
  const runs: PublishRun[] = [];
  const latest = new Map<string, PublishRun>();
  for (const item of items) {
    const run = latest.get(item.topic);
    if (run !== undefined && continues(run, item)) {
      run.items.push(item);
      continue;
    }
    const next = { topic: item.topic, items: [item] };
    runs.push(next);
    latest.set(item.topic, next);
  }
  return runs;
}

function continues({ items }: PublishRun, item: Item): boolean {
  const first = items[0] as Item;
  const [a, b] = [first.bounds, item.bounds];
  const areSame =
    a.maxEntries === b.maxEntries && a.maxBytes === b.maxBytes && a.maxAgeMs === b.maxAgeMs && a.ttlMs === b.ttlMs;
  const { fence, order } = first.message;
  const next = order === undefined ? undefined : order + items.length;
  const isOfLease = item.message.fence === fence && item.message.order === next;
  return areSame && first.kind === "" && item.kind === "" && isOfLease;
}

function encodeRun({ topic, items }: PublishRun): object {
  const [{ message, bounds, kind }] = items as [Item];
  const column = (pick: (message: BrokerPublication) => string | undefined): (string | null)[] | undefined =>
    items.some((item) => pick(item.message) !== undefined)
      ? items.map((item) => pick(item.message) ?? null)
      : undefined;
  return {
    t: topic,
    j: items.map((item) => item.message.json),
    e: column(({ event }) => event),
    k: column(({ key }) => key),
    m: column(({ messageId }) => messageId),
    b: boundsOf(bounds),
    x: kind === "" ? undefined : kind,
    d: message.ended,
    f: message.fence,
    o: message.order,
  };
}

/** The bounds as parameters. A topic that ends has no highest age. */
export function boundsOf({ maxEntries, maxBytes, maxAgeMs, ttlMs }: TopicBounds): (number | null)[] {
  return [maxEntries, maxBytes, maxAgeMs === Infinity ? null : maxAgeMs, ttlMs ?? null];
}

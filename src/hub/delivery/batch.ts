import { joinBytes } from "../../core/bytes.ts";
import { utf8 } from "../../core/utf8.ts";
import type { Entry } from "../../log/entry.ts";
import type { Log } from "../../log/log.ts";
import { MAX_BLOCK } from "../../log/tape.ts";
import { chunkOf } from "../../wire/chunked-coding.ts";
import type { Format } from "../../wire/format.ts";

/** What is sent at once: some frames, of so many messages. */
export interface Batch {
  readonly bytes: Uint8Array;
  readonly messages: number;
}

/** A place in each of several logs: the index of the last message had. */
export type Cursors = number[];

/** A position that names the places of all topics. */
export function positionAt(logs: readonly Log[], cursors: Readonly<Cursors>): string {
  return logs.map((log, i) => log.position(cursors[i] as number)).join(",");
}

/**
 * Reads the messages after `cursors` up to `limits`, in the order in which they were published, as many as make one write,
 * and moves the cursors past them. `undefined` if there are none. Only where the logs hold what follows the cursors.
 */
export function readBatch(
  format: Format,
  logs: readonly Log[],
  cursors: Cursors,
  limits: Readonly<Cursors>,
): Batch | undefined {
  const batch = new BatchBuilder(format);
  while (batch.size < MAX_BLOCK) {
    const i = next(logs, cursors, limits);
    if (i === -1) break;
    const log = logs[i] as Log;
    const cursor = cursors[i] as number;
    if (format.frameKey !== undefined && (logs.length === 1 || !format.idsNameAllTopics)) {
      const { bytes, through } = log.tape(format).read(cursor, runOf(i, logs, cursors, limits));
      // What is there already goes first: so a batch is one piece of a tape wherever there is one topic.
      if (batch.size > 0 && batch.size + bytes.length > MAX_BLOCK) break;
      batch.addBytes(bytes, through - cursor);
      cursors[i] = through;
      if (logs.length === 1) break;
    } else {
      const entry = log.entry(cursor + 1);
      cursors[i] = cursor + 1;
      batch.addText(format.message(entry, format.idsNameAllTopics ? positionAt(logs, cursors) : entry.id));
    }
  }
  return batch.build();
}

/** Which topic has the message that was published first, of those that follow the cursors; -1 for none. */
function next(logs: readonly Log[], cursors: Readonly<Cursors>, limits: Readonly<Cursors>): number {
  if (logs.length === 1) return (cursors[0] as number) < (limits[0] as number) ? 0 : -1;
  let first = -1;
  let order = Infinity;
  for (let i = 0; i < logs.length; i += 1) {
    const cursor = cursors[i] as number;
    if (cursor >= (limits[i] as number)) continue;
    const entry = (logs[i] as Log).entry(cursor + 1);
    if (entry.order >= order) continue;
    order = entry.order;
    first = i;
  }
  return first;
}

/** Up to which index a topic's messages follow one another, with none of another topic's between. */
function runOf(i: number, logs: readonly Log[], cursors: Readonly<Cursors>, limits: Readonly<Cursors>): number {
  const limit = limits[i] as number;
  if (logs.length === 1) return limit;
  const others = cursors.with(i, limit);
  const other = next(logs, others, limits);
  if (other === -1) return limit;
  const { order } = (logs[other] as Log).entry((cursors[other] as number) + 1);
  const log = logs[i] as Log;
  let through = (cursors[i] as number) + 1;
  while (through < limit && log.entry(through + 1).order < order) through += 1;
  return through;
}

/** A {@link Batch} of the newest messages only, and how many others were left out for them. */
export interface NewestBatch extends Batch {
  readonly missed: number;
}

/**
 * Reads, of one topic's messages after its cursor up to `limit`, the newest of each key and those without a key, as many
 * as make one write, and moves the cursor past them.
 */
export function readNewest(
  format: Format,
  logs: readonly Log[],
  cursors: Cursors,
  i: number,
  limit: number,
): NewestBatch {
  const log = logs[i] as Log;
  const from = cursors[i] as number;
  const batch = new BatchBuilder(format);
  for (const entry of newestOf(log, from, limit)) {
    if (batch.size >= MAX_BLOCK) break;
    cursors[i] = entry.index;
    batch.addText(format.message(entry, format.idsNameAllTopics ? positionAt(logs, cursors) : entry.id));
  }
  if (batch.size < MAX_BLOCK) cursors[i] = limit;
  const { bytes, messages } = batch.build() ?? { bytes: new Uint8Array(), messages: 0 };
  return { bytes, messages, missed: (cursors[i] as number) - from - messages };
}

/** Of the messages after a cursor up to `limit`, the newest of each key and those without a key, as far as the log has them. */
function newestOf(log: Log, cursor: number, limit: number): Entry[] {
  const keys = new Set<string>();
  const newest: Entry[] = [];
  for (let index = limit; index > Math.max(cursor, log.floor); index -= 1) {
    const entry = log.entry(index);
    if (entry.key !== undefined && keys.has(entry.key)) continue;
    if (entry.key !== undefined) keys.add(entry.key);
    newest.push(entry);
  }
  return [...log.newestBeyond(cursor), ...newest.reverse()];
}

/** Puts frames together, within what a format puts around them. */
class BatchBuilder {
  readonly #format: Format;
  readonly #pieces: Uint8Array[] = [];
  #text = "";
  #messages = 0;
  /** So many bytes at least. */
  size = 0;

  constructor(format: Format) {
    this.#format = format;
  }

  addBytes(bytes: Uint8Array, messages: number): void {
    this.#pieces.push(bytes);
    this.size += bytes.length;
    this.#messages += messages;
  }

  addText(frame: string): void {
    this.#text += frame;
    this.size += frame.length;
    this.#messages += 1;
  }

  build(): Batch | undefined {
    if (this.#messages === 0) return undefined;
    return { bytes: this.#bytes(), messages: this.#messages };
  }

  #bytes(): Uint8Array {
    const { before, after, isChunked } = this.#format;
    const [piece, ...more] = this.#pieces;
    if (piece === undefined) {
      const bytes = utf8(before + this.#text + after);
      return isChunked ? chunkOf([bytes]) : bytes;
    }
    if (isChunked) return chunkOf([utf8(before), ...this.#pieces, utf8(after)]);
    if (more.length === 0 && before === "" && after === "") return piece;
    return joinBytes([utf8(before), ...this.#pieces, utf8(after)]);
  }
}

/**
 * Reads the bytes of one write from the logs of a group.
 *
 * Order is the invariant here: messages of one topic come in the order of their offsets, messages of several topics in
 * the order of their publication in this process, each once. PROTOCOL.md, section 5, fixes how `before` and `after`
 * surround the frames of a batch.
 */

import { joinBytes } from "../../core/bytes.ts";
import { utf8 } from "../../core/utf8.ts";
import type { Entry } from "../../log/entry.ts";
import type { Log } from "../../log/log.ts";
import type { OlderMessage, OlderPage } from "../../log/older.ts";
import { offsetOf } from "../../log/position.ts";
import { MAX_BLOCK } from "../../log/tape.ts";
import { chunkOf } from "../../wire/chunked-coding.ts";
import { messageFrame, type BatchEnd, type Format } from "../../wire/format.ts";
import type { Cursors } from "./cursors.ts";

/** The bytes of one write, and the number of messages in them. */
export interface Batch {
  readonly bytes: Uint8Array;
  readonly messages: number;
}

/** The logs of a group, and the format in which its connections are sent them. */
export interface BatchSource {
  readonly format: Format;
  readonly logs: readonly Log[];
  /** Reads the next batch: see {@link readBatch}. Its bytes are the next to be written, if they are written. */
  read(cursors: Cursors, limits: readonly number[]): Batch | undefined;
}

/**
 * Reads the messages after `cursors` up to `limits`, in the order of publication, as many as make one write, and moves
 * the cursors past them.
 *
 * The logs must hold the messages after the cursors. A write is at most about 64 KiB, or one larger frame. Where there is
 * one topic and the format needs no wrapper, a large write is a piece of the tape, without a copy.
 *
 * @returns The batch; `undefined` if there are no messages.
 */
export function readBatch(
  format: Format,
  logs: readonly Log[],
  cursors: Cursors,
  limits: readonly number[],
): Batch | undefined {
  const batch = new BatchBuilder(format);
  const namesAll = format.idsNameAllTopics && logs.length > 1;
  const { indexes } = cursors;
  while (batch.size < MAX_BLOCK) {
    const i = nextTopic(logs, indexes, limits);
    if (i === -1) break;
    const log = logs[i] as Log;
    const cursor = indexes[i] as number;
    if (!namesAll) {
      const { bytes, through } = log.read(format, cursor, endOfRun(i, logs, indexes, limits));
      // The frames collected so far go first, so that the piece of the tape stays whole.
      if (batch.size > 0 && batch.size + bytes.length > MAX_BLOCK) break;
      batch.addBytes(bytes, through - cursor);
      cursors.move(i, through);
      // A large piece goes as it is, without a copy.
      if (logs.length === 1 && bytes.length >= MAX_BLOCK / 2) break;
    } else {
      const entry = log.entry(cursor + 1);
      cursors.move(i, cursor + 1);
      batch.addText(messageFrame(format, entry, cursors.position));
    }
  }
  return batch.build(endOf(format, logs, cursors));
}

/** Returns the end of a batch that reaches a place, in the formats that have one. */
function endOf(format: Format, [log]: readonly Log[], { indexes, position }: Cursors): BatchEnd | undefined {
  if (format.batchEnd === undefined || log === undefined) return undefined;
  const isCaughtUp = indexes[0] === log.head;
  return isCaughtUp && log.ended !== undefined ? undefined : format.batchEnd(position, isCaughtUp);
}

/** Returns the topic whose next message after the cursors was published first; -1 for none. */
function nextTopic(logs: readonly Log[], cursors: readonly number[], limits: readonly number[]): number {
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

/** Returns the index up to which one topic's messages follow one another, with none of another topic's in between. */
function endOfRun(i: number, logs: readonly Log[], cursors: readonly number[], limits: readonly number[]): number {
  const limit = limits[i] as number;
  if (logs.length === 1) return limit;
  const others = cursors.with(i, limit);
  const other = nextTopic(logs, others, limits);
  if (other === -1) return limit;
  const { order } = (logs[other] as Log).entry((cursors[other] as number) + 1);
  const log = logs[i] as Log;
  let through = (cursors[i] as number) + 1;
  while (through < limit && log.entry(through + 1).order < order) through += 1;
  return through;
}

/** A {@link Batch} of the newest messages only, and the number of stale messages left out. */
export interface NewestBatch extends Batch {
  readonly missed: number;
}

/**
 * Reads a backlog for the policy `latest`: of one topic's messages after its cursor up to `limit`, the newest of each
 * key and all without a key, as many as make one write, and moves the cursor past them.
 */
export function readNewest(
  format: Format,
  logs: readonly Log[],
  cursors: Cursors,
  i: number,
  limit: number,
): NewestBatch {
  const log = logs[i] as Log;
  const from = cursors.indexes[i] as number;
  const batch = new BatchBuilder(format);
  for (const entry of newestOf(log, from, limit)) {
    if (batch.size >= MAX_BLOCK) break;
    cursors.move(i, entry.index, entry.id);
    batch.addText(messageFrame(format, entry, format.idsNameAllTopics ? cursors.position : entry.id));
  }
  if (batch.size < MAX_BLOCK) cursors.move(i, limit);
  const { bytes, messages } = batch.build(endOf(format, logs, cursors)) ?? { bytes: new Uint8Array(), messages: 0 };
  return { bytes, messages, missed: (cursors.indexes[i] as number) - from - messages };
}

/** A backlog of older messages. */
export interface OlderBacklog {
  readonly log: Log;
  readonly page: OlderPage;
  /** Whether to leave out messages with newer ones of their keys in the page or the log. */
  readonly isNewestOnly: boolean;
}

/**
 * Reads the messages of a page after the cursor of a topic, as many as make one write, and moves the cursor past them.
 * `bytes` is empty if there are none.
 */
export function readOlder(
  format: Format,
  { log, page, isNewestOnly }: OlderBacklog,
  cursors: Cursors,
  i: number,
): NewestBatch {
  const batch = new BatchBuilder(format);
  const rest = page.messages.slice(page.firstAfter(offsetOf(cursors.positions[i] as string)));
  const stale = isNewestOnly ? staleOf(log, rest) : new Set<OlderMessage>();
  let missed = 0;
  for (const message of rest) {
    if (batch.size >= MAX_BLOCK) break;
    cursors.move(i, log.placeOf(message.offset), message.id);
    if (stale.has(message)) missed += 1;
    else batch.addText(messageFrame(format, message, format.idsNameAllTopics ? cursors.position : message.id));
  }
  if (batch.size < MAX_BLOCK) cursors.move(i, log.placeOf(page.through), log.positionAt(page.through));
  const { bytes, messages } = batch.build(endOf(format, [log], cursors)) ?? { bytes: new Uint8Array(), messages: 0 };
  return { bytes, messages, missed };
}

/** Returns the messages that have newer ones of their keys. */
function staleOf(log: Log, messages: readonly OlderMessage[]): Set<OlderMessage> {
  const stale = new Set<OlderMessage>();
  const keys = new Set<string>();
  for (const message of messages.toReversed()) {
    const { key, offset } = message;
    if (key === undefined) continue;
    if (keys.has(key) || log.hasNewer(key, offset)) stale.add(message);
    keys.add(key);
  }
  return stale;
}

/**
 * Returns the newest message of each key and all messages without a key, after a cursor up to `limit`, as far as the
 * log has them.
 */
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

/** Joins frames, and adds the bytes that a format puts around them. */
class BatchBuilder {
  readonly #format: Format;
  readonly #pieces: Uint8Array[] = [];
  #text = "";
  #messages = 0;
  /** The size so far in bytes, or less: text counts UTF-16 code units. */
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

  /** @param end The end of the batch, where it depends on the place. */
  build(end: BatchEnd | undefined): Batch | undefined {
    if (this.#messages === 0) return undefined;
    return { bytes: end === undefined ? this.#bytes() : this.#bytesWith(end), messages: this.#messages };
  }

  #bytesWith({ cut, text }: BatchEnd): Uint8Array {
    const pieces = this.#pieces.length === 0 ? [utf8(this.#text)] : this.#pieces;
    const last = pieces.at(-1) as Uint8Array;
    const all = [...pieces.slice(0, -1), last.subarray(0, last.length - cut), utf8(text)];
    return this.#format.isChunked ? chunkOf(all) : joinBytes(all);
  }

  #bytes(): Uint8Array {
    const { before, after, isChunked } = this.#format;
    const [piece, ...more] = this.#pieces;
    if (piece === undefined) {
      const bytes = utf8(before + this.#text + after);
      return isChunked ? chunkOf([bytes]) : bytes;
    }
    const isBare = before === "" && after === "";
    if (isBare && !isChunked && more.length === 0) return piece;
    // An empty piece of memory costs as much to allocate as a short one.
    const pieces = isBare ? this.#pieces : [utf8(before), ...this.#pieces, utf8(after)];
    return isChunked ? chunkOf(pieces) : joinBytes(pieces);
  }
}

import { allocate, writeAscii } from "../../core/short-memory.ts";
import { utf8 } from "../../core/utf8.ts";
import type { Log } from "../../log/log.ts";
import { chunkOf } from "../../wire/chunked-coding.ts";
import type { Format } from "../../wire/format.ts";
import type { Cursors } from "./cursors.ts";

/** The most messages of a short batch, and the most UTF-16 code units of each. */
const MOST_MESSAGES = 4;
const MOST_UNITS = 1024;

/** Where the bytes of a batch are put. */
interface Memory {
  allocate(length: number): Uint8Array;
}

const shortMemory: Memory = { allocate };

/**
 * Reads all new messages of one topic at once, if they are few and short, and moves the cursors past them.
 *
 * It encodes them into one piece of memory, past the log's tapes: most topics have few subscribers, and a tape and the
 * pieces of a chunk then cost several times the encoding. A tape that lacks these messages encodes them when a reader
 * needs them. The bytes are those of `readBatch`.
 *
 * @param memory Where its bytes are put.
 * @returns `undefined` if the log or the format needs a tape.
 */
export function readShort(
  format: Format,
  log: Log,
  cursors: Cursors,
  memory: Memory = shortMemory,
): { readonly bytes: Uint8Array; readonly messages: number } | undefined {
  const { wrapper, batchEnd, before, after, isChunked } = format;
  const cursor = cursors.indexes[0] as number;
  const { head } = log;
  const messages = head - cursor;
  if (wrapper !== undefined || batchEnd !== undefined || messages > MOST_MESSAGES) return undefined;
  let text = before;
  for (let index = cursor + 1; index <= head; index += 1) {
    const entry = log.entry(index);
    if (entry.json.length > MOST_UNITS) return undefined;
    text += format.message(entry, entry.id);
  }
  text += after;
  cursors.move(0, head, log.entry(head).id);
  return { bytes: isChunked ? chunk(text, memory) : (inAscii(text, memory) ?? utf8(text)), messages };
}

/** Encodes a text as one chunk: most texts are ASCII, so that the first attempt has the right size. */
function chunk(text: string, memory: Memory): Uint8Array {
  return inAscii(`${text.length.toString(16)}\r\n${text}\r\n`, memory) ?? chunkOf([utf8(text)]);
}

/** Encodes a text; `undefined` if it is not ASCII. It allocates the bytes only, in one piece. */
function inAscii(text: string, memory: Memory): Uint8Array | undefined {
  const bytes = memory.allocate(text.length);
  return writeAscii(text, bytes) ? bytes : undefined;
}

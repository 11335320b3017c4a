import type { Format } from "../wire/format.ts";
import { utf8 } from "../core/utf8.ts";
import type { Entry } from "./entry.ts";

/**
 * The size of the first block, in bytes. Each further block doubles, so that a quiet topic has a small one and a busy
 * one fills large ones.
 */
const FIRST_BLOCK = 512;
/** The highest number of bytes read at once, unless a single frame is larger. */
export const MAX_BLOCK = 65_536;

/** The part of a log that a tape reads. */
export interface TapeSource {
  readonly head: number;
  readonly floor: number;
  entry(index: number): Entry;
}

/** Frames one after the other, written once and never changed. */
interface Block {
  readonly bytes: Uint8Array;
  /** The index of the first frame. */
  readonly first: number;
  /** The position in `bytes` at which each frame ends. */
  readonly ends: number[];
}

const encoder = new TextEncoder();

/**
 * The frames of a log in one format. Each is encoded once, when it is first read, and laid behind the one before it.
 *
 * Any stretch of messages that a reader is sent is one piece of this memory, shared with all other readers of that
 * stretch. So neither a flush nor a resuming reader copies bytes.
 *
 * Invariant: bytes that `read` has returned never change, since sockets still hold them. Blocks only grow at their
 * unused end.
 */
export class Tape {
  readonly #log: TapeSource;
  readonly #format: Format;
  #blocks: Block[] = [];
  /** The index after which the frames begin, and the index up to which they go. */
  #from: number;
  #through: number;

  constructor(log: TapeSource, format: Format) {
    this.#log = log;
    this.#format = format;
    this.#from = this.#through = log.head;
  }

  /**
   * Returns the frames after `index` up to `limit`, or as many as one block holds. Only for messages that the log
   * holds.
   *
   * @returns The piece, and the index of its last message.
   */
  read(index: number, limit: number): { readonly bytes: Uint8Array; readonly through: number } {
    this.#encode(index, limit);
    const block = this.#blockOf(index + 1);
    const through = Math.min(limit, block.first + block.ends.length - 1);
    const from = index < block.first ? 0 : (block.ends[index - block.first] as number);
    return { bytes: block.bytes.subarray(from, block.ends[through - block.first]), through };
  }

  /** Drops the blocks whose messages have all left the log. */
  trim(): void {
    const { floor } = this.#log;
    let droppable = 0;
    for (const { first, ends } of this.#blocks) {
      if (first + ends.length - 1 > floor) break;
      droppable += 1;
    }
    if (droppable > 0) this.#blocks = this.#blocks.slice(droppable);
    if (this.#from < floor) this.#from = floor;
    if (this.#through < floor) this.#through = floor;
  }

  #encode(index: number, limit: number): void {
    const { head } = this.#log;
    if (this.#blocks.length === 0) this.#from = this.#through = Math.min(index, head);
    if (index < this.#from) {
      const later = this.#blocks;
      this.#blocks = [];
      this.#encodeStretch(index, this.#from);
      this.#blocks.push(...later);
      this.#from = index;
    }
    if (limit > this.#through) {
      this.#encodeStretch(this.#through, limit);
      this.#through = limit;
    }
  }

  #encodeStretch(after: number, through: number): void {
    for (let index = after + 1; index <= through; index += 1) {
      const entry = this.#log.entry(index);
      this.#append(index, this.#format.message(entry, entry.id));
    }
  }

  #append(index: number, frame: string): void {
    const block = this.#blocks.at(-1);
    const used = block?.ends.at(-1) ?? 0;
    // A UTF-16 code unit takes at most three bytes in UTF-8, so the frame fits without being measured.
    if (block !== undefined && frame.length * 3 <= block.bytes.length - used) {
      block.ends.push(used + encoder.encodeInto(frame, block.bytes.subarray(used)).written);
      return;
    }
    const bytes = utf8(frame);
    if (block !== undefined && bytes.length <= block.bytes.length - used) {
      block.bytes.set(bytes, used);
      block.ends.push(used + bytes.length);
      return;
    }
    const size = block === undefined ? FIRST_BLOCK : Math.min(block.bytes.length * 2, MAX_BLOCK);
    const next = new Uint8Array(Math.max(size, bytes.length));
    next.set(bytes);
    this.#blocks.push({ bytes: next, first: index, ends: [bytes.length] });
  }

  #blockOf(index: number): Block {
    let low = 0;
    let high = this.#blocks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#blocks[middle] as Block).first <= index) low = middle;
      else high = middle - 1;
    }
    return this.#blocks[low] as Block;
  }
}

import { utf8 } from "../core/utf8.ts";
import { wrapperOf, type Format, type Wrapper } from "../wire/format.ts";
import type { Entry } from "./entry.ts";

/**
 * The size of the first block, in bytes. Each further block doubles, so that a quiet topic has a small one and a busy
 * one fills large ones.
 */
const FIRST_BLOCK = 512;
/** The highest number of bytes read at once, unless a single frame is larger. */
export const MAX_BLOCK = 65_536;
/** The memory that a tape and each of its blocks take besides their bytes, and that each frame's end takes. */
const TAPE_OVERHEAD = 700;
const BLOCK_OVERHEAD = 450;
const END_BYTES = 8;

/** The part of a log that a tape reads. */
export interface TapeSource {
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

/** A stretch of frames, and the index of its last message. */
export interface Piece {
  readonly bytes: Uint8Array;
  readonly through: number;
}

const encoder = new TextEncoder();

/**
 * The frames of a log in one format. Each is encoded once, when it is first read, and laid behind the one before it.
 *
 * Any stretch of messages that a reader is sent is one piece of this memory, shared with all other readers of that
 * stretch. So neither a flush nor a resuming reader copies bytes.
 *
 * Invariants: bytes that `read` has returned never change, since sockets still hold them. Blocks only grow at their
 * unused end, are in the order of their messages, and may have gaps between them. One read encodes one block at most,
 * so that no reader can make the hub encode a whole log.
 */
export class Tape {
  /** The memory that the tape takes, in bytes. */
  held: number = TAPE_OVERHEAD;
  readonly #log: TapeSource;
  readonly #format: Format;
  readonly #onDrop: (tape: Tape) => void;
  #blocks: Block[] = [];

  /** @param onDrop Called when the memory has no room for it. */
  constructor(log: TapeSource, format: Format, onDrop: (tape: Tape) => void) {
    this.#log = log;
    this.#format = format;
    this.#onDrop = onDrop;
  }

  /** The key of its format, by which its log knows it. */
  get frameKey(): string {
    return this.#format.frameKey;
  }

  /**
   * Returns the frames after `index` up to `limit`, or as many as one block holds. Only for messages that the log
   * holds.
   */
  read(index: number, limit: number): Piece {
    const { block, through } = this.#blockWith(index + 1, limit);
    return { bytes: block.bytes.subarray(startOf(block, index + 1), endOf(block, through)), through };
  }

  /**
   * Returns the frames as {@link read} does, each in a format's wrapper. They are a copy of at most one block, or one
   * frame. The end of a topic has a wrapper of its own, so it comes alone.
   */
  readWrapped(index: number, limit: number, format: Format): Piece {
    const isEnd = (frame: number): boolean => this.#log.entry(frame).ended !== undefined;
    const lastOfRun = limit > index + 1 && isEnd(limit) ? limit - 1 : limit;
    const { block, through: last } = this.#blockWith(index + 1, lastOfRun);
    const wrapper = wrapperOf(format, this.#log.entry(index + 1)) as Wrapper;
    const before = utf8(wrapper.before);
    const after = utf8(wrapper.after);
    const start = startOf(block, index + 1);
    let through = index + 1;
    const sizeTo = (end: number): number => endOf(block, end) - start + (end - index) * (before.length + after.length);
    while (through < last && sizeTo(through + 1) <= MAX_BLOCK) through += 1;
    const bytes = new Uint8Array(sizeTo(through));
    let at = 0;
    for (let from = start, frame = index + 1; frame <= through; frame += 1) {
      const end = endOf(block, frame);
      bytes.set(before, at);
      bytes.set(block.bytes.subarray(from, end), at + before.length);
      at += before.length + end - from;
      bytes.set(after, at);
      at += after.length;
      from = end;
    }
    return { bytes, through };
  }

  drop(): void {
    this.#onDrop(this);
  }

  /** Drops the blocks whose messages have all left the log. */
  trim(): void {
    const { floor } = this.#log;
    let dropped = 0;
    for (const block of this.#blocks) {
      if (lastOf(block) > floor) break;
      dropped += 1;
      this.held -= sizeOf(block);
    }
    if (dropped > 0) this.#blocks = this.#blocks.slice(dropped);
  }

  /** Returns the block with the message `first`, and the last message up to `limit` that it holds. Encodes what it lacks. */
  #blockWith(first: number, limit: number): { readonly block: Block; readonly through: number } {
    const at = this.#lastBlockUpTo(first);
    const known = this.#blocks[at];
    const isKnown = known !== undefined && first <= lastOf(known);
    const block = isKnown ? known : this.#encode(at, first, limit);
    if (isKnown && limit > lastOf(known)) this.#fill(known, lastOf(known) + 1, this.#endBefore(at + 1, limit));
    return { block, through: Math.min(limit, lastOf(block)) };
  }

  /** Encodes the messages from `first` up to `limit` into the block at a place, or into a new one after it. */
  #encode(at: number, first: number, limit: number): Block {
    const block = this.#blocks[at];
    const last = this.#endBefore(at + 1, limit);
    const isBehind = block !== undefined && lastOf(block) === first - 1;
    if (isBehind && this.#fill(block, first, last) > 0) return block;
    const frame = utf8(this.#frame(first));
    // A long stretch gets a block of its size, and messages that come one by one get blocks that double.
    const size = Math.max((last - first + 1) * frame.length, isBehind ? block.bytes.length * 2 : FIRST_BLOCK);
    const bytes = new Uint8Array(Math.max(Math.min(size, MAX_BLOCK), frame.length));
    bytes.set(frame);
    const created: Block = { bytes, first, ends: [frame.length] };
    this.#blocks.splice(at + 1, 0, created);
    this.held += sizeOf(created);
    this.#fill(created, first + 1, last);
    return created;
  }

  /** Returns the last message up to `limit` that comes before the block at a place. */
  #endBefore(at: number, limit: number): number {
    const next = this.#blocks[at];
    return next === undefined ? limit : Math.min(limit, next.first - 1);
  }

  /** Appends messages to a block, as many as fit. Returns their number. */
  #fill({ bytes, ends }: Block, first: number, last: number): number {
    let used = ends.at(-1) as number;
    let index = first;
    for (; index <= last; index += 1) {
      const frame = this.#frame(index);
      const room = bytes.length - used;
      // A UTF-16 code unit takes at most three bytes in UTF-8, so a short frame fits without being measured.
      if (frame.length * 3 <= room) used += encoder.encodeInto(frame, bytes.subarray(used)).written;
      else if (frame.length > room) break;
      else {
        const encoded = utf8(frame);
        if (encoded.length > room) break;
        bytes.set(encoded, used);
        used += encoded.length;
      }
      ends.push(used);
    }
    this.held += (index - first) * END_BYTES;
    return index - first;
  }

  #frame(index: number): string {
    const entry = this.#log.entry(index);
    return this.#format.message(entry, entry.id);
  }

  /** Returns the place of the last block that begins at this message or before; -1 for none. */
  #lastBlockUpTo(index: number): number {
    let low = -1;
    let high = this.#blocks.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#blocks[middle] as Block).first <= index) low = middle;
      else high = middle - 1;
    }
    return low;
  }
}

function lastOf({ first, ends }: Block): number {
  return first + ends.length - 1;
}

function startOf(block: Block, index: number): number {
  return index === block.first ? 0 : endOf(block, index - 1);
}

function endOf({ first, ends }: Block, index: number): number {
  return ends[index - first] as number;
}

function sizeOf({ bytes, ends }: Block): number {
  return BLOCK_OVERHEAD + bytes.length + ends.length * END_BYTES;
}

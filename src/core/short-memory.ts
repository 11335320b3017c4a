import { utf8 } from "./utf8.ts";

const encoder = new TextEncoder();

/** The size of a block, in bytes. A piece that is in use keeps its whole block in memory. */
const BLOCK_BYTES = 2048;
/** The longest piece that is a part of a block, in bytes. */
const MAX_PIECE = 512;

let block = new ArrayBuffer(0);
let used = 0;

/**
 * Allocates memory, which the caller must fill. Short pieces are parts of larger blocks: V8 takes several times as long
 * for a piece of memory of its own, and counts each towards its next garbage collection.
 *
 * A block is collected once none of its pieces is in use. Nothing is written twice to the same place.
 */
export function allocate(length: number): Uint8Array<ArrayBuffer> {
  if (length > MAX_PIECE) return new Uint8Array(length);
  if (block.byteLength - used < length) {
    block = new ArrayBuffer(BLOCK_BYTES);
    used = 0;
  }
  const piece = new Uint8Array(block, used, length);
  used += length;
  return piece;
}

/** Returns the memory in bytes that {@link allocate} keeps for a piece of this length, at most. */
export function allocatedFor(length: number): number {
  return length > MAX_PIECE ? length : BLOCK_BYTES;
}

/** Writes an ASCII text into memory of its length. Returns whether it is ASCII; if not, the memory is written in part. */
export function writeAscii(text: string, memory: Uint8Array): boolean {
  return encoder.encodeInto(text, memory).read === text.length;
}

/** Encodes a text in UTF-8, in memory as {@link allocate} returns it if it is ASCII, as most texts are. */
export function encodeShort(text: string): Uint8Array {
  const bytes = allocate(text.length);
  return writeAscii(text, bytes) ? bytes : utf8(text);
}

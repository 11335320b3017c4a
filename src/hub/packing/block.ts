import { joinBytes } from "../../core/bytes.ts";
import { allocate, allocatedFor } from "../../core/short-memory.ts";
import { chunkOf } from "../../wire/chunked-coding.ts";
import { storedBlocks, storedLength, writeHead, writeStored } from "./gzip.ts";

/** Blocks of a gzip member that many bodies share, alone or as one chunk of HTTP/1.1's chunked coding. */
export interface Block {
  /** The number of bytes, without the chunked coding. */
  readonly length: number;
  /** The memory that it takes, in bytes, at most. */
  readonly held: number;
  /** Returns the bytes as a sink takes them. They are shared, and never change. */
  framed(isChunked: boolean): Uint8Array;
}

/** Blocks that a compressor has made. */
export class PackedBlock implements Block {
  readonly #packed: Uint8Array;
  #chunk: Uint8Array | undefined;

  /** @param packed The bytes, which the block keeps. */
  constructor(packed: Uint8Array) {
    this.#packed = packed;
  }

  get length(): number {
    return this.#packed.length;
  }

  get held(): number {
    return 2 * this.length;
  }

  framed(isChunked: boolean): Uint8Array {
    return isChunked ? (this.#chunk ??= chunkOf([this.#packed])) : this.#packed;
  }
}

/** Bytes that are sent as they are, in stored blocks. */
export class StoredBlock implements Block {
  readonly plain: Uint8Array;
  #bytes: Uint8Array | undefined;
  #chunk: Uint8Array | undefined;

  /** @param plain The bytes, which the block keeps. */
  constructor(plain: Uint8Array, chunk?: Uint8Array) {
    this.plain = plain;
    this.#chunk = chunk;
  }

  /**
   * Allocates a block whose bytes the caller writes into `plain`, all of them, before the block is used. They are a
   * part of the chunk, so that nothing is copied.
   *
   * @param length The number of bytes, as many as one stored block takes at most.
   */
  static allocate(length: number): StoredBlock {
    const { chunk, at } = emptyChunk(storedLength(length));
    const start = writeHead(chunk, at, length, false);
    return new StoredBlock(chunk.subarray(start, start + length), chunk);
  }

  get length(): number {
    return storedLength(this.plain.length);
  }

  get held(): number {
    return allocatedFor(this.length) + 2 * this.length;
  }

  framed(isChunked: boolean): Uint8Array {
    return isChunked ? (this.#chunk ??= this.#asChunk()) : (this.#bytes ??= joinBytes(storedBlocks(this.plain)));
  }

  #asChunk(): Uint8Array {
    const { chunk, at } = emptyChunk(this.length);
    writeStored(chunk, at, this.plain);
    return chunk;
  }
}

/**
 * Allocates a chunk in one piece of memory: pieces to join take longer to allocate than a short text to copy.
 *
 * @returns The chunk, without its content, and the place of the content.
 */
function emptyChunk(length: number): { readonly chunk: Uint8Array; readonly at: number } {
  const size = length.toString(16);
  const chunk = allocate(size.length + length + 4);
  let at = 0;
  for (; at < size.length; at += 1) chunk[at] = size.charCodeAt(at);
  at = writeLineEnd(chunk, at);
  writeLineEnd(chunk, at + length);
  return { chunk, at };
}

function writeLineEnd(bytes: Uint8Array, at: number): number {
  bytes[at] = 13;
  bytes[at + 1] = 10;
  return at + 2;
}

import { joinBytes } from "../../core/bytes.ts";
import { chunkOf } from "../../wire/chunked-coding.ts";

/** Blocks of a gzip member that many bodies share, alone or as one chunk of HTTP/1.1's chunked coding. */
export class Block {
  /** The number of bytes, without the chunked coding. */
  readonly length: number;
  readonly #pieces: readonly Uint8Array[];
  #bytes: Uint8Array | undefined;
  #chunk: Uint8Array | undefined;

  /** @param pieces The bytes, which the block keeps. */
  constructor(pieces: readonly Uint8Array[]) {
    this.#pieces = pieces;
    this.length = pieces.reduce((sum, { length }) => sum + length, 0);
  }

  /** The memory that it takes, in bytes, at most. */
  get held(): number {
    return 3 * this.length;
  }

  /** Returns the bytes as a sink takes them. They are shared, and never change. */
  framed(isChunked: boolean): Uint8Array {
    return isChunked ? (this.#chunk ??= chunkOf(this.#pieces)) : (this.#bytes ??= joinBytes(this.#pieces));
  }
}

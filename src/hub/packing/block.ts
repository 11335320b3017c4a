import { chunkOf } from "../../wire/chunked-coding.ts";

/** Blocks of a gzip member that many bodies share, alone or as one chunk of HTTP/1.1's chunked coding. */
export class Block {
  readonly #bytes: Uint8Array;
  #chunk: Uint8Array | undefined;

  /** @param bytes Bytes with memory of their own. */
  constructor(bytes: Uint8Array) {
    this.#bytes = bytes;
  }

  /** The number of bytes, without the chunked coding. */
  get length(): number {
    return this.#bytes.length;
  }

  /** The memory that it takes, in bytes, at most. */
  get held(): number {
    return 2 * this.#bytes.length;
  }

  /** Returns the bytes as a sink takes them. They are shared, and never change. */
  framed(isChunked: boolean): Uint8Array {
    if (!isChunked) return this.#bytes;
    return (this.#chunk ??= chunkOf([this.#bytes]));
  }
}

import { utf8 } from "../../core/utf8.ts";

const encoder = new TextEncoder();

/** The size of a block, in bytes. */
const BLOCK_BYTES = 16_384;
/** The longest text that is put into a block, in UTF-16 code units. Each has at most three bytes in UTF-8. */
const MAX_TEXT_LENGTH = 1024;

/**
 * Encodes short texts in UTF-8, many into one block of memory: memory of its own for each text takes three times as long.
 *
 * A block is collected once all of its texts have been sent. Nothing is written twice to the same place.
 */
export class TextBlock {
  #block = new Uint8Array(0);
  #used = 0;

  /** Returns the bytes of a text. They are part of a larger block, except for long texts. */
  encode(text: string): Uint8Array {
    if (text.length > MAX_TEXT_LENGTH) return utf8(text);
    if (this.#block.length - this.#used < 3 * text.length) {
      this.#block = new Uint8Array(BLOCK_BYTES);
      this.#used = 0;
    }
    const start = this.#used;
    const { written } = encoder.encodeInto(text, this.#block.subarray(start));
    this.#used = start + written;
    return this.#block.subarray(start, this.#used);
  }
}

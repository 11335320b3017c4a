import { Inflate } from "fflate";
import { gunzip } from "./gunzip.ts";

/** The length of the head that the hub writes: no name, no comment. */
const HEAD_LENGTH = 10;

/**
 * Inflates the gzip member of one response as it arrives. fflate does it, which shares no code with zlib.
 *
 * It expects each write of the hub to be readable at once, and returns what it is before the next one arrives.
 */
export class Inflater {
  readonly #inflate = new Inflate();
  readonly #member: Uint8Array[] = [];
  readonly #content: Uint8Array[] = [];
  #length = 0;

  constructor() {
    this.#inflate.ondata = (bytes) => this.#content.push(bytes);
  }

  /** Returns the content that the next bytes of the member add. */
  push(bytes: Uint8Array): Uint8Array {
    const known = this.#content.length;
    const head = Math.max(0, HEAD_LENGTH - this.#length);
    this.#length += bytes.length;
    this.#member.push(bytes);
    if (bytes.length > head) this.#inflate.push(bytes.subarray(head));
    return Buffer.concat(this.#content.slice(known));
  }

  /** Ends the member. @throws An error if it is not whole, or if its checksum or its length is wrong. */
  end(): void {
    const content = gunzip(Buffer.concat(this.#member));
    if (!content.equals(Buffer.concat(this.#content))) throw new Error("The content was not readable as it arrived.");
  }
}

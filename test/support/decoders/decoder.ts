import { CometError, describe } from "../../../src/core/errors.ts";
import { assertFunction, assertInteger } from "../../../src/core/options.ts";
import type { WireItem } from "../../../src/wire/item.ts";
import type { JsonValue } from "../../../src/wire/json.ts";

/** Takes the bytes of one stream as they come, cut anywhere, and gives each item as soon as its frame is complete. */
export interface Decoder {
  /**
   * Takes the next bytes. They are not kept: the caller may use their memory again.
   *
   * @throws {CometError} `ERR_FRAME` if they are no frame of the wire, make a frame too long, or come after {@link end};
   *   `ERR_OPTION` if they are not bytes. What `onItem` throws comes through. After all but `ERR_OPTION`, every further
   *   call throws the same.
   */
  feed(bytes: Uint8Array): void;
  /**
   * Says that the input is over. A frame that is not complete is dropped, as that of a connection that broke; only a poll
   * body must be complete. Calling it again does nothing.
   *
   * @throws {CometError} what {@link feed} threw, if it did; `ERR_FRAME` for a poll body that is not one.
   */
  end(): void;
}

/** Options of every decoder. */
export interface DecoderOptions {
  /** Is given each item, in order, within the call of `feed` (or `end`) that completes it. It must not call the decoder. */
  readonly onItem: (item: WireItem) => void;
  /** The longest frame, in bytes: 1,024 to 2,147,483,647; by default 1,048,576. What a frame is, each decoder says. */
  readonly maxFrameBytes?: number;
}

/** Checks `maxFrameBytes`. @throws {CometError} `ERR_OPTION`. */
export function checkMaxFrameBytes(maxFrameBytes: number | undefined): number {
  return assertInteger("maxFrameBytes", maxFrameBytes === undefined ? 1_048_576 : maxFrameBytes, 1_024, 2_147_483_647);
}

/** Checks the options of a decoder and fills them in. @throws {CometError} `ERR_OPTION`. */
export function checkDecoderOptions(options: DecoderOptions): Required<DecoderOptions> {
  return { onItem: assertFunction("onItem", options.onItem), maxFrameBytes: checkMaxFrameBytes(options.maxFrameBytes) };
}

/** What all readers of bytes have in common: once one has failed or ended, it reads no more. */
export abstract class FrameReader implements Decoder {
  #failure: { readonly error: unknown } | undefined;
  #ended = false;

  feed(bytes: Uint8Array): void {
    if (!ArrayBuffer.isView(bytes)) throw new CometError("ERR_OPTION", `feed takes bytes, not ${describe(bytes)}.`);
    this.#attempt(() => {
      if (this.#ended) throw malformed("Bytes came after the end.");
      this.read(bytes);
    });
  }

  end(): void {
    this.#attempt(() => {
      if (!this.#ended) this.finish();
      this.#ended = true;
    });
  }

  #attempt(act: () => void): void {
    if (this.#failure !== undefined) throw this.#failure.error;
    try {
      act();
    } catch (error) {
      this.#failure = { error };
      throw error;
    }
  }

  /** Takes the next bytes. */
  protected abstract read(bytes: Uint8Array): void;

  /** Takes it that there are no more. */
  protected finish(): void {}
}

/** The bytes of one frame that came in pieces. Growing by doubling keeps pieces of one byte each at a linear cost. */
export class FrameBuffer {
  readonly #maxBytes: number;
  readonly #decoder: TextDecoder;
  #bytes: Uint8Array = new Uint8Array(0);
  #length = 0;

  /** `fatal`: invalid UTF-8 is `ERR_FRAME`, and not U+FFFD. */
  constructor(maxBytes: number, fatal: boolean) {
    this.#maxBytes = maxBytes;
    // A byte order mark in the middle of a stream is a character like any other.
    this.#decoder = new TextDecoder("utf-8", { fatal, ignoreBOM: true });
  }

  /** How many bytes it holds. */
  get length(): number {
    return this.#length;
  }

  /**
   * Adds a piece. Of `maxBytes`, `besides` are taken up by what is held elsewhere; negative for bytes that do not count.
   *
   * @throws {CometError} `ERR_FRAME` if the frame is too long.
   */
  add(piece: Uint8Array, besides = 0): void {
    const length = this.#checked(piece.length, besides);
    if (length > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(length, Math.min(2 * this.#bytes.length, this.#maxBytes), 64));
      grown.set(this.#bytes.subarray(0, this.#length));
      this.#bytes = grown;
    }
    this.#bytes.set(piece, this.#length);
    this.#length = length;
  }

  /** The text of the frame, with this last piece, which leaves the buffer empty. @throws {CometError} `ERR_FRAME`. */
  take(last: Uint8Array, besides = 0): string {
    let frame = last;
    if (this.#length === 0) this.#checked(last.length, besides);
    else {
      this.add(last, besides);
      frame = this.#bytes.subarray(0, this.#length);
    }
    this.clear();
    try {
      return this.#decoder.decode(frame);
    } catch (cause) {
      throw malformed("A frame is not UTF-8.", cause);
    }
  }

  /** Forgets what is held, and gives its memory back. */
  clear(): void {
    if (this.#length === 0) return;
    this.#bytes = new Uint8Array(0);
    this.#length = 0;
  }

  #checked(more: number, besides: number): number {
    const length = this.#length + more;
    if (length + besides <= this.#maxBytes) return length;
    throw malformed(`A frame is longer than ${this.#maxBytes} bytes (maxFrameBytes).`);
  }
}

/** The error for what is no frame. */
export function malformed(message: string, cause?: unknown): CometError {
  return new CometError("ERR_FRAME", message, cause === undefined ? undefined : { cause });
}

/** The value of a JSON text. @throws {CometError} `ERR_FRAME` if it is not JSON. */
export function parseJson(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch (cause) {
    throw malformed(`A frame is not JSON: ${describe(text)}.`, cause);
  }
}

import { CometError, describe } from "../../../src/core/errors.ts";
import { assertFunction, assertInteger } from "../../../src/core/options.ts";
import type { WireItem } from "./wire-item.ts";
import type { JsonValue } from "../../../src/wire/json.ts";
import { FrameError } from "./frame-error.ts";

/** Decodes the bytes of one stream, cut anywhere, and emits each item as soon as its frame is complete. */
export interface Decoder {
  /**
   * Decodes the next bytes. It does not keep them: the caller may reuse their memory.
   *
   * @throws {FrameError} if they are no frame of the wire, make a frame too long, or arrive after {@link end}.
   * @throws {CometError} `ERR_OPTION` if they are not bytes. It rethrows errors of `onItem`. After any error but
   *   `ERR_OPTION`, every further call throws the same error.
   */
  feed(bytes: Uint8Array): void;
  /**
   * Ends the input. An incomplete frame is dropped, as that of a broken connection; only a poll body must be complete.
   * It is idempotent.
   *
   * @throws {FrameError} if a poll body is incomplete. It rethrows the error of {@link feed}, if there was one.
   */
  end(): void;
}

/** Options of every decoder. */
export interface DecoderOptions {
  /**
   * Called with each item, in order, within the call of `feed` (or `end`) that completes it. It must not call the
   * decoder.
   */
  readonly onItem: (item: WireItem) => void;
  /** The longest frame, in bytes, from 1,024 to 2,147,483,647. Each decoder documents its frames. @default 1048576 */
  readonly maxFrameBytes?: number;
}

/** Checks `maxFrameBytes`. @throws {CometError} `ERR_OPTION`. */
export function checkMaxFrameBytes(maxFrameBytes: number | undefined): number {
  return assertInteger("maxFrameBytes", maxFrameBytes === undefined ? 1_048_576 : maxFrameBytes, 1_024, 2_147_483_647);
}

/** Checks the options of a decoder and adds the defaults. @throws {CometError} `ERR_OPTION`. */
export function checkDecoderOptions(options: DecoderOptions): Required<DecoderOptions> {
  return { onItem: assertFunction("onItem", options.onItem), maxFrameBytes: checkMaxFrameBytes(options.maxFrameBytes) };
}

/** The base of all decoders: after an error or the end it reads no more. */
export abstract class FrameReader implements Decoder {
  #failure: { readonly error: unknown } | undefined;
  #ended = false;

  feed(bytes: Uint8Array): void {
    if (!ArrayBuffer.isView(bytes)) throw new CometError("ERR_OPTION", `feed takes bytes, not ${describe(bytes)}.`);
    this.#attempt(() => {
      if (this.#ended) throw new FrameError("Bytes came after the end.");
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

  /** Reads the next bytes. */
  protected abstract read(bytes: Uint8Array): void;

  /** Handles the end of the input. */
  protected finish(): void {}
}

/** Collects the pieces of one frame. It grows by doubling, so that even pieces of one byte cost linear time. */
export class FrameBuffer {
  readonly #maxBytes: number;
  readonly #decoder: TextDecoder;
  #bytes: Uint8Array = new Uint8Array(0);
  #length = 0;

  /** @param fatal Whether invalid UTF-8 is a {@link FrameError}, instead of U+FFFD. */
  constructor(maxBytes: number, fatal: boolean) {
    this.#maxBytes = maxBytes;
    // A byte order mark in the middle of a stream is a character like any other.
    this.#decoder = new TextDecoder("utf-8", { fatal, ignoreBOM: true });
  }

  /** The number of bytes that it holds. */
  get length(): number {
    return this.#length;
  }

  /**
   * Adds a piece.
   *
   * @param besides Bytes of `maxBytes` that are held elsewhere; negative for bytes that do not count.
   * @throws {FrameError} if the frame is too long.
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

  /** Returns the text of the frame, with this last piece, and empties the buffer. @throws {FrameError} */
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
      throw new FrameError("A frame is not UTF-8.", { cause });
    }
  }

  /** Drops the pieces and releases their memory. */
  clear(): void {
    if (this.#length === 0) return;
    this.#bytes = new Uint8Array(0);
    this.#length = 0;
  }

  #checked(more: number, besides: number): number {
    const length = this.#length + more;
    if (length + besides <= this.#maxBytes) return length;
    throw new FrameError(`A frame is longer than ${this.#maxBytes} bytes (maxFrameBytes).`);
  }
}

/** Parses a JSON text. @throws {FrameError} if it is not JSON. */
export function parseJson(text: string): JsonValue {
  try {
    return JSON.parse(text) as JsonValue;
  } catch (cause) {
    throw new FrameError(`A frame is not JSON: ${describe(text)}.`, { cause });
  }
}

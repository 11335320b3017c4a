import { describe } from "../../../src/core/errors.ts";
import { checkDecoderOptions, type DecoderOptions, FrameBuffer, FrameReader, parseJson } from "./decoder.ts";
import { FrameError } from "./frame-error.ts";
import { itemOf } from "./item-reader.ts";
import type { JsonValue } from "../../../src/wire/json.ts";

/**
 * Reads the body of one poll: PROTOCOL.md, section 5. The frame is the whole body, so `maxFrameBytes` bounds all of it.
 * The body is held until `end`, which emits all items at once: a batch is sent in one piece, so an earlier parse gains
 * nothing. Each poll needs a decoder of its own.
 *
 * A body that is not one complete JSON array is a `FrameError`. The client checks that `open` is its first item and
 * `end` its last.
 *
 * @throws {CometError} `ERR_OPTION` from the constructor.
 */
export class PollDecoder extends FrameReader {
  readonly #onItem: DecoderOptions["onItem"];
  readonly #body: FrameBuffer;

  constructor(options: DecoderOptions) {
    super();
    const { onItem, maxFrameBytes } = checkDecoderOptions(options);
    this.#onItem = onItem;
    this.#body = new FrameBuffer(maxFrameBytes, true);
  }

  protected override read(bytes: Uint8Array): void {
    this.#body.add(bytes);
  }

  protected override finish(): void {
    const batch = parseJson(this.#body.take(new Uint8Array(0)));
    if (!Array.isArray(batch)) throw new FrameError(`A poll body is ${describe(batch)}, and not an array.`);
    for (const value of batch as readonly JsonValue[]) {
      const item = itemOf(value);
      if (item !== undefined) this.#onItem(item);
    }
  }
}

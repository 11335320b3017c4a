import { checkDecoderOptions, type DecoderOptions, FrameBuffer, FrameReader, parseJson } from "./decoder.ts";
import { itemOf } from "./item-reader.ts";

const LF = 10;

/** JSON's whitespace, without the line feed. */
const blank = /^[ \t\r]*$/;

/**
 * Reads newline-delimited JSON: PROTOCOL.md, section 5. A frame is a line, without its LF. An empty line is a
 * heartbeat; a CR before the LF is whitespace to JSON; a last line without an LF is dropped. Invalid UTF-8 is a
 * `FrameError`.
 *
 * It holds at most one line, and its cost does not depend on where the bytes are cut.
 *
 * @throws {CometError} `ERR_OPTION` from the constructor.
 */
export class NdjsonDecoder extends FrameReader {
  readonly #onItem: DecoderOptions["onItem"];
  readonly #line: FrameBuffer;

  constructor(options: DecoderOptions) {
    super();
    const { onItem, maxFrameBytes } = checkDecoderOptions(options);
    this.#onItem = onItem;
    this.#line = new FrameBuffer(maxFrameBytes, true);
  }

  protected override read(bytes: Uint8Array): void {
    let start = 0;
    for (let end = bytes.indexOf(LF); end !== -1; end = bytes.indexOf(LF, start)) {
      this.#read(this.#line.take(bytes.subarray(start, end)));
      start = end + 1;
    }
    this.#line.add(bytes.subarray(start));
  }

  #read(line: string): void {
    const item = blank.test(line) ? ({ type: "heartbeat" } as const) : itemOf(parseJson(line));
    if (item !== undefined) this.#onItem(item);
  }
}

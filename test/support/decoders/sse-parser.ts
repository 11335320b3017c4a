import { assertFunction } from "../../../src/core/options.ts";
import { checkMaxFrameBytes, FrameBuffer, FrameReader } from "./decoder.ts";

const LF = 10;
const CR = 13;

/** One event of an event stream, as an `EventSource` would dispatch it. */
export interface SseEvent {
  /** The event's name; `undefined` if it has none, which a browser dispatches as `message`. */
  readonly event: string | undefined;
  /** The data lines, joined by LF. */
  readonly data: string;
  /** The newest id of the stream, which may be of an earlier event; empty if there was none. */
  readonly lastEventId: string;
}

/** Options of {@link SseParser}. */
export interface SseParserOptions {
  /** Called with each event, within the call of `feed` that completes it. It must not call the parser. */
  readonly onEvent: (event: SseEvent) => void;
  /**
   * Called with each `retry:`, in milliseconds: a whole number of any size, `Infinity` beyond the range of a number.
   */
  readonly onRetry?: (retryMs: number) => void;
  /**
   * The longest line, with the `data` lines before it in its event, in bytes, from 1,024 to 2,147,483,647.
   * @default 1048576
   */
  readonly maxFrameBytes?: number;
}

/**
 * Parses any event stream (`text/event-stream`) as the WHATWG specifies: lines that end with LF, CR or CRLF, wherever
 * the bytes are cut; a byte order mark at the very start; invalid UTF-8 as U+FFFD. It emits an event as soon as the CR
 * or LF of its empty line has arrived. A last event without an empty line is dropped.
 *
 * It accepts every stream, except frames that are longer than `maxFrameBytes`: those are a `FrameError`.
 *
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#parsing-an-event-stream
 * @throws {CometError} `ERR_OPTION` from the constructor.
 */
export class SseParser extends FrameReader {
  readonly #onEvent: (event: SseEvent) => void;
  readonly #onRetry: (retryMs: number) => void;
  readonly #line: FrameBuffer;
  /** Whether no line has been read yet, so that a byte order mark may follow. */
  #first = true;
  /** Whether the last line ended with CR, so that an LF belongs to it. */
  #afterCr = false;
  #event = "";
  readonly #data: string[] = [];
  /** The size of the lines of `#data`, in bytes. */
  #dataBytes = 0;
  /** The id of the last line. It counts once its event is complete. */
  #idBuffer = "";
  #lastEventId = "";

  constructor(options: SseParserOptions) {
    super();
    this.#onEvent = assertFunction("onEvent", options.onEvent);
    this.#onRetry = assertFunction("onRetry", options.onRetry ?? (() => {}));
    // Decoding line by line is the same as decoding all: no character of UTF-8, not even an invalid one, crosses a line
    // end.
    this.#line = new FrameBuffer(checkMaxFrameBytes(options.maxFrameBytes), false);
  }

  /** The id to resume with, in `Last-Event-ID`: that of the last complete event, even if it had no data. */
  get lastEventId(): string {
    return this.#lastEventId;
  }

  protected override read(bytes: Uint8Array): void {
    let start = 0;
    // Each is searched again only once it was passed; otherwise every line of a stream without CR would search to its
    // end.
    let cr = -1;
    let lf = -1;
    for (;;) {
      if (this.#afterCr && start < bytes.length) {
        if (bytes[start] === LF) start += 1;
        this.#afterCr = false;
      }
      if (cr < start) cr = indexOf(bytes, CR, start);
      if (lf < start) lf = indexOf(bytes, LF, start);
      const end = Math.min(cr, lf);
      const piece = bytes.subarray(start, end);
      if (end === bytes.length) {
        this.#line.add(piece, this.#dataBytes);
        return;
      }
      const lineBytes = this.#line.length + piece.length;
      this.#read(this.#line.take(piece, this.#dataBytes), lineBytes);
      this.#afterCr = end === cr;
      start = end + 1;
    }
  }

  #read(text: string, lineBytes: number): void {
    const line = this.#first && text.startsWith("\ufeff") ? text.slice(1) : text;
    this.#first = false;
    if (line === "") {
      this.#dispatch();
      return;
    }
    const colon = line.indexOf(":");
    const name = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(colon + (line[colon + 1] === " " ? 2 : 1));
    // No field has the name "", which a comment has here.
    if (name === "data") {
      this.#data.push(value);
      this.#dataBytes += lineBytes;
    } else if (name === "event") {
      this.#event = value;
    } else if (name === "id") {
      if (!value.includes("\0")) this.#idBuffer = value;
    } else if (name === "retry" && /^[0-9]+$/.test(value)) {
      this.#onRetry(Number(value));
    }
  }

  #dispatch(): void {
    this.#lastEventId = this.#idBuffer;
    const event = this.#event === "" ? undefined : this.#event;
    const data = this.#data.length === 0 ? undefined : this.#data.join("\n");
    this.#event = "";
    this.#data.length = 0;
    this.#dataBytes = 0;
    if (data !== undefined) this.#onEvent({ event, data, lastEventId: this.#lastEventId });
  }
}

/** The index of this byte at or after `from`; the length if there is none. */
function indexOf(bytes: Uint8Array, byte: number, from: number): number {
  const index = bytes.indexOf(byte, from);
  return index === -1 ? bytes.length : index;
}

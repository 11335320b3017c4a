import { MAX_TIMER_MS } from "../../core/options.ts";
import { EventStreamError } from "./event-stream-error.ts";

/** An event of a stream of Server-Sent Events. */
export interface ServerEvent<Data = string> {
  /** The event's name; `message` if it has none. */
  readonly type: string;
  readonly data: Data;
  /** The id of this event or of the last one before it that has an id; empty if there is none. */
  readonly lastEventId: string;
}

/**
 * Parses the text of one event stream, in pieces of any size.
 *
 * It follows the standard, with one exception: the parser of a reconnection begins with the last id of the connection
 * before, so an event without an id does not forget it. The caller decodes UTF-8 and removes the byte order mark.
 *
 * @see https://html.spec.whatwg.org/multipage/server-sent-events.html#event-stream-interpretation
 */
export class EventStreamParser {
  /** The id of the last event that is complete. */
  lastEventId: string;
  /** The delay that the server's `retry` asks for before a reconnection, in milliseconds; 0 without it. */
  retryMs: number;
  readonly #maxLength: number;
  /** The id of the event that is being read. */
  #id: string;
  #type = "";
  #data = "";
  /** The line whose end has not arrived. */
  #rest = "";
  /** Whether the text before ended with CR. Then an LF is a part of the same line end. */
  #endedWithCr = false;

  /** @param maxLength The longest event, in UTF-16 code units. @param before The parser of the connection before. */
  constructor(maxLength: number, before?: EventStreamParser) {
    this.#maxLength = maxLength;
    this.lastEventId = this.#id = before?.lastEventId ?? "";
    this.retryMs = before?.retryMs ?? 0;
  }

  /**
   * Yields the events that a piece of text completes. An event whose empty line has not arrived is not complete.
   *
   * @throws {EventStreamError} `ERR_FRAME` if an event is too long, after the events before it.
   */
  *feed(text: string): Generator<ServerEvent, void, undefined> {
    if (text === "") return;
    // The rest is not searched again: that would cost the square of a long line's length.
    const lines = text.slice(this.#endedWithCr && text.startsWith("\n") ? 1 : 0).split(/\r\n|\n|\r/);
    this.#endedWithCr = text.endsWith("\r");
    lines[0] = this.#rest + (lines[0] as string);
    const rest = lines.pop() as string;
    for (const line of lines) {
      this.#assertLength(line);
      if (line !== "") this.#readField(line);
      else {
        const event = this.#endEvent();
        if (event) yield event;
      }
    }
    this.#rest = rest;
    this.#assertLength(rest);
  }

  #assertLength(line: string): void {
    if (this.#data.length + line.length <= this.#maxLength) return;
    throw new EventStreamError("ERR_FRAME", `An event has more than ${this.#maxLength} characters (maxEventLength).`);
  }

  #readField(line: string): void {
    const colon = line.indexOf(":");
    const name = colon === -1 ? line : line.slice(0, colon);
    const value = colon === -1 ? "" : line.slice(colon + (line[colon + 1] === " " ? 2 : 1));
    if (name === "data") this.#data += `${value}\n`;
    else if (name === "event") this.#type = value;
    else if (name === "id" && !value.includes("\0")) this.#id = value;
    // A longer timer would fire at once.
    else if (name === "retry" && /^\d+$/.test(value)) this.retryMs = Math.min(Number(value), MAX_TIMER_MS);
  }

  /** The event that an empty line completes. One without `data` only sets the id. */
  #endEvent(): ServerEvent | undefined {
    const [data, type] = [this.#data, this.#type || "message"];
    this.#data = this.#type = "";
    this.lastEventId = this.#id;
    return data === "" ? undefined : { type, data: data.slice(0, -1), lastEventId: this.lastEventId };
  }
}

import type { ControlItems, Wire, WireMessage } from "../../../src/wire/item.ts";

/** Takes what a body carries. */
export interface ItemHandler {
  open(item: ControlItems["open"]): void;
  message(message: WireMessage): void;
  gap(item: ControlItems["gap"]): void;
  ended(item: ControlItems["end"]): void;
  /** A topic has ended, or is missing. Where nobody expects it, it is an error. */
  topicEnded?(item: ControlItems["ended"]): void;
  missing?(item: ControlItems["missing"]): void;
  heartbeat(): void;
}

/** Reads the body of one response. */
export interface Decoder {
  push(bytes: Buffer): void;
  /** The body is complete; what is left of it would be an error. */
  end(): void;
}

/**
 * A decoder for a wire, written from PROTOCOL.md alone and only for what a hub sends. It shares no code with the package, which could
 * make the same mistake twice.
 */
export function decoderOf(wire: Wire, handler: ItemHandler): Decoder {
  if (wire === "poll") return new WholeDecoder(handler);
  if (wire === "ndjson") return new FrameDecoder("\n", (line) => ndjsonLine(line, handler));
  if (wire === "sse") return new FrameDecoder("\n\n", (event) => sseEvent(event, handler));
  return new FrameDecoder("-->", (text) => managedComment(text.slice(text.indexOf("<!--") + 4), handler));
}

/** Cuts bytes into frames at a terminator; a frame whose terminator has not come is as if it had not been sent. */
class FrameDecoder implements Decoder {
  readonly #terminator: string;
  readonly #frame: (text: string) => void;
  #rest: Buffer = Buffer.alloc(0);

  constructor(terminator: string, frame: (text: string) => void) {
    this.#terminator = terminator;
    this.#frame = frame;
  }

  push(bytes: Buffer): void {
    const data = this.#rest.length === 0 ? bytes : Buffer.concat([this.#rest, bytes]);
    const last = data.lastIndexOf(this.#terminator);
    this.#rest = last === -1 ? data : data.subarray(last + this.#terminator.length);
    if (last === -1) return;
    for (const frame of data.toString("utf8", 0, last).split(this.#terminator)) this.#frame(frame);
  }

  end(): void {
    if (this.#rest.length > 0) throw new Error(`A complete body ends with half a frame: ${this.#rest.toString()}`);
  }
}

/** A poll's batch: one JSON array, which is had as a whole or not at all. */
class WholeDecoder implements Decoder {
  readonly #handler: ItemHandler;
  readonly #pieces: Buffer[] = [];

  constructor(handler: ItemHandler) {
    this.#handler = handler;
  }

  push(bytes: Buffer): void {
    this.#pieces.push(bytes);
  }

  end(): void {
    const items = JSON.parse(Buffer.concat(this.#pieces).toString()) as object[];
    for (const item of items) ndjsonItem(item, this.#handler);
  }
}

function ndjsonLine(line: string, handler: ItemHandler): void {
  if (line === "") handler.heartbeat();
  else ndjsonItem(JSON.parse(line) as object, handler);
}

function ndjsonItem(item: object, handler: ItemHandler): void {
  if ("data" in item) handler.message(item as WireMessage);
  else {
    const [[name, control] = ["nothing"]] = Object.entries(item) as [string, unknown][];
    controlItem(name, control, handler);
  }
}

function controlItem(name: string, item: unknown, handler: ItemHandler): void {
  if (name === "open") handler.open(item as ControlItems["open"]);
  else if (name === "gap") handler.gap(item as ControlItems["gap"]);
  else if (name === "end") handler.ended(item as ControlItems["end"]);
  else if (name === "ended" && handler.topicEnded !== undefined) handler.topicEnded(item as ControlItems["ended"]);
  else if (name === "missing" && handler.missing !== undefined) handler.missing(item as ControlItems["missing"]);
  else throw new Error(`There is no item ${name}.`);
}

/** An event of a stream. The id of a message is the whole position here; control items carry the same in their data. */
function sseEvent(text: string, handler: ItemHandler): void {
  let event = "";
  let id = "";
  let data = "";
  for (const line of text.split("\n")) {
    if (line.startsWith("data:")) data += line.slice(6);
    else if (line.startsWith("id: ")) id = line.slice(4);
    else if (line.startsWith("event: ")) event = line.slice(7);
  }
  if (event === "comet:heartbeat") handler.heartbeat();
  else if (event.startsWith("comet:")) controlItem(event.slice(6), JSON.parse(data), handler);
  else handler.message({ id, event, data: JSON.parse(data) as WireMessage["data"] });
}

/** A comment of managed comet: lines of JSON, an item each. */
function managedComment(text: string, handler: ItemHandler): void {
  const lines = text.split("\n").filter((line) => line !== "");
  if (lines.length === 0) handler.heartbeat();
  for (const line of lines) ndjsonItem(JSON.parse(line) as object, handler);
}

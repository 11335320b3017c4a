import { joinBytes } from "../core/bytes.ts";
import { utf8, utf8Length } from "../core/utf8.ts";
import type { Format } from "./format.ts";

const lineEnd = utf8("\r\n");

/** A text as one chunk of HTTP/1.1's chunked transfer coding; nothing for an empty text, which would end the body (RFC 9112, 7.1). */
function chunk(text: string): string {
  return text === "" ? "" : `${utf8Length(text).toString(16)}\r\n${text}\r\n`;
}

/** Pieces of memory, which are not all empty, as one chunk. */
export function chunkOf(pieces: readonly Uint8Array[]): Uint8Array {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  return joinBytes([utf8(`${length.toString(16)}\r\n`), ...pieces, lineEnd]);
}

/** A format in chunked coding, for a sink that writes to the connection what it is given. Frames of messages become chunks in batches. */
export function inChunks(format: Format): Format {
  const { key, head, heartbeat, control, end } = format;
  return {
    ...format,
    key: `${key} chunked`,
    isChunked: true,
    head: chunk(head),
    heartbeat: chunk(heartbeat),
    control: (name, item, position) => chunk(control(name, item, position)),
    end: (item, query) => chunk(end(item, query)),
  };
}

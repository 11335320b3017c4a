import { joinBytes } from "../core/bytes.ts";
import { utf8, utf8Length } from "../core/utf8.ts";
import type { Format } from "./format.ts";

const lineEnd = utf8("\r\n");

/**
 * Encodes a text as one HTTP/1.1 chunk; an empty text stays empty, since an empty chunk ends the body (RFC 9112, 7.1).
 */
function chunk(text: string): string {
  return text === "" ? "" : `${utf8Length(text).toString(16)}\r\n${text}\r\n`;
}

/** Encodes pieces of memory as one HTTP/1.1 chunk. They MUST NOT all be empty: an empty chunk ends the body. */
export function chunkOf(pieces: readonly Uint8Array[]): Uint8Array {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  return joinBytes([utf8(`${length.toString(16)}\r\n`), ...pieces, lineEnd]);
}

/**
 * Puts a format into HTTP/1.1's chunked transfer coding, for a sink that writes to the socket itself.
 *
 * Message frames stay as they are, so that connections with and without it share them: the sender puts each batch into
 * one chunk with {@link chunkOf}. Every other member must be chunked here, or the body breaks.
 */
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

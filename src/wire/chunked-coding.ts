import { joinBytes } from "../core/bytes.ts";
import { utf8, utf8Length } from "../core/utf8.ts";
import type { Format } from "./format.ts";

const lineEnd = utf8("\r\n");

/**
 * Frames a text as one HTTP/1.1 chunk. The size is that of the text in UTF-8. An empty text stays empty, since an empty chunk ends the body (RFC 9112, 7.1).
 */
function chunk(text: string): string {
  return text === "" ? "" : `${utf8Length(text).toString(16)}\r\n${text}\r\n`;
}

/** Joins byte arrays into one HTTP/1.1 chunk. They MUST NOT all be empty: an empty chunk ends the body. */
export function chunkOf(pieces: readonly Uint8Array[]): Uint8Array {
  const length = pieces.reduce((sum, piece) => sum + piece.length, 0);
  return joinBytes([utf8(`${length.toString(16)}\r\n`), ...pieces, lineEnd]);
}

/** The format that was put into the coding last, and the result. Most connections of a hub have one format. */
let lastFormat: Format | undefined;
let lastChunked: Format;

/**
 * Puts a format into HTTP/1.1's chunked transfer coding, for a sink that writes to the socket past Node's response
 * (`adapters/node/socket-sink.ts`, which also writes the chunk that ends the body).
 *
 * `message`, `before` and `after` stay as they are: connections with and without the coding share message frames, and
 * `hub/delivery/batch.ts` makes one chunk of a whole batch with {@link chunkOf}. Each member whose text is sent outside of a batch
 * MUST be chunked here; a new one is not unless it is added. Apply this once: chunks of chunks break the body.
 */
export function inChunks(format: Format): Format {
  if (format !== lastFormat) {
    lastFormat = format;
    lastChunked = chunked(format);
  }
  return lastChunked;
}

function chunked(format: Format): Format {
  const { key, head, heartbeat, control, end } = format;
  return {
    ...format,
    key: `${key} chunked`,
    isChunked: true,
    head: chunk(head),
    heartbeat: chunk(heartbeat),
    control: (name, item, position) => chunk(control(name, item, position)),
    end: (item) => chunk(end(item)),
  };
}

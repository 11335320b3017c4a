import { utf8Length } from "../core/utf8.ts";
import type { Format } from "./format.ts";

/** A text as one chunk of HTTP/1.1's chunked transfer coding; nothing for an empty text, which would end the body (RFC 9112, 7.1). */
function chunk(text: string): string {
  return text === "" ? "" : `${utf8Length(text).toString(16)}\r\n${text}\r\n`;
}

/**
 * A format whose bytes are chunked already, for a sink that writes them to the connection as they are. Each frame is a chunk,
 * and so any stretch of frames is a sequence of chunks.
 */
export function inChunks(format: Format): Format {
  const { key, frameKey, head, before, after, heartbeat } = format;
  return {
    ...format,
    key: `${key} chunked`,
    frameKey: frameKey === undefined ? undefined : `${frameKey} chunked`,
    head: chunk(head),
    before: chunk(before),
    after: chunk(after),
    heartbeat: chunk(heartbeat),
    message: (message, id) => chunk(format.message(message, id)),
    control: (name, item, position) => chunk(format.control(name, item, position)),
    end: (item, query) => chunk(format.end(item, query)),
  };
}

import { collect } from "../stream/operators/filter.ts";
import { readableStream } from "../stream/readable-stream.ts";
import { contentOf, knownKind, type ChunkElement, type ElementKind } from "./elements.ts";
import { addDefaultHeaders, checkInit, type ChunkedInit } from "./init.ts";

/**
 * A response whose body is the elements of a source, each one chunk, sent as it comes. The source is opened when the
 * body is first read, pulled one element at a time, and only when the server can send it; it is stopped when the body is
 * cancelled, as servers do when the client leaves. If it fails, the body breaks off with its error.
 *
 * The content type follows the elements: `Html`, or anything out of `comet`, gives `text/html; charset=utf-8`, strings
 * `text/plain; charset=utf-8`, bytes `application/octet-stream`. It has to be known before the body is read, so it is taken
 * from the first element where that is at hand: for lists in memory, and what `map`, `filter` and the like make of them.
 * A source that must be waited for is taken for strings; set the `content-type` header for anything else, or for a mixture.
 *
 * @throws {CometError} `ERR_RESPONSE` or `ERR_OPTION` at once for a bad `init`; `ERR_ELEMENT`, to the body's reader and to
 *   `onError`, for an element of a wrong type or kind.
 */
export function chunked(source: AsyncIterable<ChunkElement>, init: ChunkedInit = {}): Response {
  const { status, headers, onError } = checkInit(init);
  let elements = source;
  let kind: ElementKind | undefined;
  if (!headers.has("content-type")) {
    const known = knownKind(source);
    elements = known.elements;
    kind = known.kind ?? "text";
  }
  addDefaultHeaders(headers, kind);
  const encoder = new TextEncoder();
  const chunks = collect((element: ChunkElement) => {
    const content = contentOf(element, kind);
    if (content.length === 0) return undefined;
    return typeof content === "string" ? encoder.encode(content) : content;
  });
  const body = readableStream(chunks(elements), {}, onError);
  return new Response(body as ReadableStream<BufferSource>, { headers, ...(status === undefined ? {} : { status }) });
}

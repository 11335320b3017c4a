import { collect } from "../stream/operators.ts";
import { readableStream } from "../stream/readable-stream.ts";
import { contentOf, knownKind, type ChunkElement, type ElementKind } from "./elements.ts";
import { addDefaultHeaders, checkInit, type ChunkedInit } from "./init.ts";

/**
 * Creates a response that streams the elements of a source, each as one chunk on arrival.
 *
 * The source is opened when the body is first read. It is pulled one element at a time, only when the server can send
 * it, and stopped when the body is cancelled, as servers do when the client disconnects. If it fails, the body fails
 * with its error.
 *
 * The content type follows the elements: `Html`, or any output of `comet`, gives `text/html; charset=utf-8`, strings
 * `text/plain; charset=utf-8`, bytes `application/octet-stream`. It must be known before the body is read, so it is
 * taken from the first element if that is available: of lists in memory, also through operators such as `map` and
 * `filter`. A source that has to wait is assumed to be of strings; set the `content-type` header for anything else, or
 * for a mixture.
 *
 * @throws {CometError} `ERR_RESPONSE` or `ERR_OPTION` at once for an invalid `init`; `ERR_ELEMENT`, to the body's
 *   reader and to `onError`, for an element of a wrong type or kind.
 * @example
 * const fetch = () => chunked(Enumerator.of("kiki", "foo", "bar").through(comet({ callback: "parent.cometMessage" })));
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

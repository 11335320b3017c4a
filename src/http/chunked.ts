import type { OnError } from "../core/report.ts";
import { Pump, type Consumer } from "../stream/pump.ts";
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
  const body = new ReadableStream(new ChunkedBody(elements, kind, onError), { highWaterMark: 0 });
  return new Response(body, { headers, ...(status === undefined ? {} : { status }) });
}

/** Gives the stream one chunk for each pull, so that what nobody reads is not asked for. */
class ChunkedBody implements UnderlyingDefaultSource<Uint8Array>, Consumer<ChunkElement> {
  readonly #pump: Pump<ChunkElement>;
  readonly #kind: ElementKind | undefined;
  readonly #onError: OnError;
  readonly #encoder = new TextEncoder();
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #pulled: (() => void) | undefined;

  constructor(source: AsyncIterable<ChunkElement>, kind: ElementKind | undefined, onError: OnError) {
    this.#pump = new Pump(source, this);
    this.#kind = kind;
    this.#onError = onError;
  }

  pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
    this.#controller = controller;
    return new Promise((resolve) => {
      this.#pulled = resolve;
      this.#pump.resume();
    });
  }

  cancel(): Promise<void> {
    return this.#pump.stop();
  }

  take(element: ChunkElement): boolean {
    const content = contentOf(element, this.#kind);
    if (content.length === 0) return true;
    this.#controller?.enqueue(typeof content === "string" ? this.#encoder.encode(content) : content);
    this.#pulled?.();
    return false;
  }

  end(): void {
    this.#controller?.close();
    this.#pulled?.();
  }

  fail(error: unknown): void {
    this.#controller?.error(error);
    this.#pulled?.();
    this.#onError(error);
  }
}

import type { ServerResponse } from "node:http";
import { CometError } from "../../core/errors.ts";
import type { OnError } from "../../core/on-error.ts";
import { contentOf, kindOf, knownKind, type ChunkElement, type ElementKind } from "../../http/elements.ts";
import { addDefaultHeaders, checkInit, type ChunkedInit } from "../../http/init.ts";
import { Pump, type Consumer } from "../../stream/pump.ts";
import { destroyResponse, isGone, watchClose, type NodeResponse } from "./node-response.ts";

/**
 * How a response came to its end: `ended` with its source, `disconnected` by the client, or `failed` with its source, in
 * which case `onError` has been told.
 */
export type ChunkedOutcome = "ended" | "disconnected" | "failed";

/** How long a connection whose source has failed may take to send what was written before, in milliseconds. */
const LINGER_MS = 5000;

/**
 * Sends the elements of a source as a response, each as a chunk of its own on HTTP/1.1 and as it comes on HTTP/2. The
 * source is pulled only as fast as the client reads; what is buffered is at most the stream's own high-water mark and one
 * element. It is stopped when the client leaves. If it fails, the connection is destroyed after what was sent, without
 * the chunk that would make the response look complete; or, where nothing was sent yet, the status is 500.
 *
 * Status and headers that were set on `response` before are kept, and `init` comes before them. The content type follows
 * the elements as {@link chunked} describes, but where the first element must be waited for, so is the head. The answer to
 * a HEAD request has no body, and its source is never opened.
 *
 * @returns How it went, once the response is over. Never rejects.
 * @throws {CometError} `ERR_RESPONSE` or `ERR_OPTION` at once for a bad `init`, or if the head has been sent already.
 *   `ERR_ELEMENT` goes to `init.onError`, as all that happens later.
 */
export function sendChunked(
  response: NodeResponse,
  source: AsyncIterable<ChunkElement>,
  init: ChunkedInit = {},
): Promise<ChunkedOutcome> {
  const { status, headers, onError } = checkInit(init);
  if (response.headersSent) throw new CometError("ERR_RESPONSE", "The head of this response has been sent already.");
  const type = response.getHeader("content-type");
  if (type !== undefined && !headers.has("content-type")) headers.set("content-type", String(type));
  if (status !== undefined) response.statusCode = status;
  return new Promise((resolve) => new Sending(response, source, headers, onError, resolve).begin());
}

class Sending implements Consumer<ChunkElement> {
  readonly #response: NodeResponse;
  readonly #source: AsyncIterable<ChunkElement>;
  readonly #headers: Headers;
  readonly #onError: OnError;
  readonly #resolve: (outcome: ChunkedOutcome) => void;
  #pump: Pump<ChunkElement> | undefined;
  #kind: ElementKind | undefined;
  /** How many writes have not left for the kernel yet. */
  #pendingWrites = 0;
  /** Called when they all have. */
  #onFlushed: (() => void) | undefined;
  /** Set when the source is over, one way or the other. */
  #outcome: ChunkedOutcome | undefined;

  constructor(
    response: NodeResponse,
    source: AsyncIterable<ChunkElement>,
    headers: Headers,
    onError: OnError,
    resolve: (outcome: ChunkedOutcome) => void,
  ) {
    this.#response = response;
    this.#source = source;
    this.#headers = headers;
    this.#onError = onError;
    this.#resolve = resolve;
  }

  begin(): void {
    if (isGone(this.#response)) {
      this.#resolve("disconnected");
      return;
    }
    let elements = this.#source;
    if (!this.#headers.has("content-type")) {
      const known = knownKind(this.#source);
      elements = known.elements;
      this.#kind = known.kind;
    }
    // Errors of the connection mean that the client has gone; `close` follows and says so.
    this.#response.on("error", () => undefined);
    watchClose(this.#response, () => this.#closed());
    if (this.#response.req.method === "HEAD") {
      this.#outcome = "ended";
      this.#setHeaders();
      this.#response.end();
      return;
    }
    if (this.#kind !== undefined || this.#headers.has("content-type")) this.#sendHead();
    this.#pump = new Pump(elements, this);
    this.#response.on("drain", () => this.#pump?.resume());
    this.#pump.resume();
  }

  take(element: ChunkElement): boolean {
    if (!this.#response.headersSent) {
      this.#kind = kindOf(element);
      if (this.#kind !== undefined) this.#sendHead();
    }
    const content = contentOf(element, this.#kind);
    // On HTTP/1.1 an empty chunk would end the response; on HTTP/2 an empty string garbles the ones beside it (Node 20 to 26).
    if (content.length === 0) return true;
    if (!("stream" in this.#response)) corkUntilNextTick(this.#response);
    this.#pendingWrites += 1;
    // Both kinds of response have this `write`, but TypeScript cannot call a union of their overloads.
    return (this.#response as ServerResponse).write(content, this.#onWritten);
  }

  readonly #onWritten = (): void => {
    this.#pendingWrites -= 1;
    if (this.#pendingWrites === 0) this.#onFlushed?.();
  };

  end(): void {
    this.#outcome = "ended";
    if (!this.#response.headersSent) {
      this.#kind = "text";
      this.#sendHead();
    }
    this.#response.end();
  }

  fail(error: unknown): void {
    this.#outcome = "failed";
    if (!this.#response.headersSent) {
      for (const name of this.#response.getHeaderNames()) this.#response.removeHeader(name);
      this.#response.statusCode = 500;
      this.#response.setHeader("content-type", "text/plain; charset=utf-8");
      this.#response.end("The source of this response failed.\n");
    } else this.#breakOff();
    this.#onError(error);
  }

  #sendHead(): void {
    this.#setHeaders();
    // The types leave it out for HTTP/2; it is there.
    (this.#response as ServerResponse).flushHeaders();
  }

  #setHeaders(): void {
    addDefaultHeaders(this.#headers, this.#kind, (name) => this.#response.hasHeader(name));
    const cookies = this.#headers.getSetCookie();
    for (const [name, value] of this.#headers) if (name !== "set-cookie") this.#response.setHeader(name, value);
    if (cookies.length > 0) this.#response.setHeader("set-cookie", cookies);
  }

  /** Lets go of the connection once what was written has left, or has had its time. */
  #breakOff(): void {
    const response = this.#response;
    if (isGone(response)) return;
    if (this.#pendingWrites === 0) {
      destroyResponse(response);
      return;
    }
    const timer = setTimeout(() => destroyResponse(response), LINGER_MS);
    response.once("close", () => clearTimeout(timer));
    this.#onFlushed = () => destroyResponse(response);
  }

  #closed(): void {
    if (this.#outcome !== undefined) {
      this.#resolve(this.#outcome === "ended" && !this.#response.writableFinished ? "disconnected" : this.#outcome);
      return;
    }
    this.#outcome = "disconnected";
    const stopped = this.#pump?.stop() ?? Promise.resolve();
    stopped.then(
      () => this.#resolve("disconnected"),
      (error: unknown) => {
        this.#onError(error);
        this.#resolve("disconnected");
      },
    );
  }
}

/**
 * Lets the writes of one turn leave in one packet. The response would do that by itself, but from Node 26 on it then joins
 * them into one chunk as well; it does not where the socket is corked already.
 */
function corkUntilNextTick({ socket }: ServerResponse): void {
  if (socket === null || socket.writableCorked > 0) return;
  socket.cork();
  process.nextTick(() => socket.uncork());
}

import type { ServerResponse } from "node:http";
import { CometError } from "../../core/errors.ts";
import type { OnError } from "../../core/on-error.ts";
import { contentOf, kindOf, knownKind, type ChunkElement, type ElementKind } from "../../http/elements.ts";
import { addDefaultHeaders, checkInit, type ChunkedInit } from "../../http/init.ts";
import { Pump, type Consumer } from "../../stream/pump.ts";
import {
  destroyResponse,
  discardBody,
  endedByOther,
  flushMiddleware,
  headerOf,
  isGone,
  type NodeResponse,
} from "./node-response.ts";
import { waitForTurn } from "./wait-for-turn.ts";

/**
 * The outcome of a response: `ended` with its source, `disconnected` by the client, or `failed` with its source, after
 * `onError` got the error.
 */
export type ChunkedOutcome = "ended" | "disconnected" | "failed";

/** The time in milliseconds that a connection whose source has failed may take to send what was written before. */
const LINGER_MS = 5000;

/**
 * Sends the elements of a source as a response, each as a chunk of its own on HTTP/1.1, and as it comes on HTTP/2.
 *
 * Backpressure: the source is pulled only as fast as the client reads. The buffer is at most the stream's own
 * high-water mark and one element. The source is stopped when the client disconnects. If it fails, the connection is
 * destroyed after what was sent, without the last chunk that would make the response look complete; if nothing was sent
 * yet, the status is 500. If other code ends the response, the outcome is `failed` too (`ERR_RESPONSE`).
 *
 * A request that is pipelined on HTTP/1.1 waits until the responses before it are over; only then is the source opened.
 * More than 16 waiting requests close the connection. The body of a GET request is discarded.
 *
 * Status and headers already set on `response` are kept, and `init` takes precedence over them. The content type
 * follows the elements, as {@link chunked} describes, but the head waits for the first element where the type is not
 * known before. The answer to a HEAD request has no body, and its source is never opened.
 *
 * An element must stay one chunk, flushed at once, on Node 20 to 26: see `corkUntilNextTick` and the empty element
 * before changing a write.
 *
 * @param init Status, headers and `onError`.
 * @returns Resolves to the outcome, once the response is over. Never rejects.
 * @throws {CometError} At once: `ERR_RESPONSE` or `ERR_OPTION` for a bad `init`, or if the head is already sent. Later
 *   errors, such as `ERR_ELEMENT`, go to `init.onError`.
 * @example
 * ```ts
 * const events = Enumerator.of("kiki", "foo", "bar").through(comet({ callback: "parent.cometMessage" }));
 * createServer((request, response) => void sendChunked(response, events)).listen(4000);
 * ```
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
  /** The number of writes that have not left for the kernel yet. */
  #pendingWrites = 0;
  /** Called when all writes have left. */
  #onFlushed: (() => void) | undefined;
  /** Set when the source is over, for any reason. */
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
    const { req: request } = this.#response;
    // A source may read the body of another method, as an echo does.
    if (request.method === "GET" || request.method === "HEAD") discardBody(request);
    const turn = waitForTurn(this.#response);
    if (turn === undefined) this.#begin();
    else void turn.then((isOpen) => (isOpen ? this.#begin() : this.#resolve("disconnected")));
  }

  #begin(): void {
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
    // An error of the connection means that the client has disconnected. `close` follows and reports it.
    this.#response.on("error", () => undefined);
    this.#response.on("close", () => this.#onClose());
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
    // An empty chunk would end the response on HTTP/1.1. On HTTP/2 an empty string garbles the writes beside it (Node
    // 20 to 26).
    if (content.length === 0) return true;
    if (!("stream" in this.#response)) corkUntilNextTick(this.#response);
    this.#pendingWrites += 1;
    // Both kinds of response have this `write`, but TypeScript cannot call a union of their overloads.
    const wantsMore = (this.#response as ServerResponse).write(content, this.#onWritten);
    flushMiddleware(this.#response);
    return wantsMore;
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
    } else this.#destroyAfterFlush();
    this.#onError(error);
  }

  #sendHead(): void {
    this.#setHeaders();
    // The types omit this method for HTTP/2, but it exists.
    (this.#response as ServerResponse).flushHeaders();
  }

  #setHeaders(): void {
    addDefaultHeaders(this.#headers, this.#kind, (name) => headerOf(this.#response, name));
    const cookies = this.#headers.getSetCookie();
    for (const [name, value] of this.#headers) if (name !== "set-cookie") this.#response.setHeader(name, value);
    if (cookies.length > 0) this.#response.setHeader("set-cookie", cookies);
  }

  /** Destroys the connection once everything written has left, or its time is over. */
  #destroyAfterFlush(): void {
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

  #onClose(): void {
    if (this.#outcome !== undefined) {
      this.#resolve(this.#outcome === "ended" && !this.#response.writableFinished ? "disconnected" : this.#outcome);
      return;
    }
    const outcome = this.#response.writableEnded ? "failed" : "disconnected";
    this.#outcome = outcome;
    if (outcome === "failed") this.#onError(endedByOther());
    const stopped = this.#pump?.stop() ?? Promise.resolve();
    stopped.then(
      () => this.#resolve(outcome),
      (error: unknown) => {
        this.#onError(error);
        this.#resolve(outcome);
      },
    );
  }
}

/**
 * Lets the writes of one turn leave in one packet.
 *
 * The response would do that by itself, but from Node 26 on it then joins them into one chunk too. It does not where
 * the socket is already corked.
 */
function corkUntilNextTick({ socket }: ServerResponse): void {
  if (socket === null || socket.writableCorked > 0) return;
  socket.cork();
  process.nextTick(() => socket.uncork());
}

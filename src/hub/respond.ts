/**
 * Carries out a decision as a web-standard `Response`, and collects the body of a poll for any adapter.
 *
 * Do not hand shared bytes to a body's reader: `write` copies them. Every way in which a body can end must call
 * `connection.gone`, or the connection keeps its place in the hub.
 */

import { joinBytes } from "../core/bytes.ts";
import type { Answer } from "./admission/answer.ts";
import { isAdmission, type Admission, type Decision } from "./admission/decision.ts";
import type { OpenStream, Sink } from "./delivery/sink.ts";
import { breakOffError, completionOf, disableIdleTimeout } from "./platform.ts";

/** The status of an answer that no client receives, since it has disconnected (as nginx logs it). */
const CLIENT_CLOSED_REQUEST = 499;

/** The status of a response that must not have a body. */
const NO_CONTENT = 204;

/** The number of microtasks after which a stream has noticed that a promise of `pull` has settled: Deno takes three. */
const SETTLING_TICKS = 6;

/** The high-water mark of a response's body, in bytes: more than this makes the subscriber lag. */
const HIGH_WATER_MARK = 65_536;

/**
 * Carries out a decision as a web-standard response. The response to a poll resolves when its body is complete.
 *
 * @param platform The further arguments of the handler. Deno's has a promise `completed`, which settles when the
 *   response has been sent; elsewhere the body is all that shows it. Bun's turns its idle timeout off for this request.
 * @returns The response. Never rejects: a request whose signal aborts before there is a response is answered with 499
 *   and no body, since servers log a rejection as an error of the application.
 */
export async function respond(
  request: Request,
  deciding: Decision | PromiseLike<Decision>,
  platform: readonly unknown[],
): Promise<Response> {
  const decision = await deciding;
  if (!isAdmission(decision)) return answerResponse(request, decision);
  if (request.signal.aborted) {
    decision.release();
    return abandoned();
  }
  disableIdleTimeout(request, platform);
  const completed = completionOf(platform);
  return decision.wire === "poll"
    ? batchResponse(request, decision, completed)
    : streamResponse(request, decision, completed);
}

/** Returns a refusal, or the answer to HEAD or a preflight, as a web-standard response. */
export function answerResponse({ method }: Request, { status, headers, body, bytes }: Answer): Response {
  // Without a body, Bun and Deno would say that the answer to GET has a length of 0 (RFC 9110, 8.6).
  if (method === "HEAD" && status !== NO_CONTENT) return new Response(unknownLength(), { status, headers });
  return new Response(bytes ?? (body === "" ? null : body), { status, headers });
}

/** Returns an empty body whose length is unknown until it is read. */
function unknownLength(): ReadableStream<BufferSource> {
  return new ReadableStream<BufferSource>({ pull: (controller) => controller.close() }, { highWaterMark: 0 });
}

function streamResponse(request: Request, admission: Admission, completed: PromiseLike<unknown> | undefined): Response {
  const sink = new StreamSink(request, completed);
  const body = new ReadableStream<Uint8Array>(sink, new ByteLengthQueuingStrategy({ highWaterMark: HIGH_WATER_MARK }));
  sink.attach(admission.open(sink));
  return new Response(body as ReadableStream<BufferSource>, { headers: admission.headers });
}

function batchResponse(
  request: Request,
  admission: Admission,
  completed: PromiseLike<unknown> = Promise.resolve(),
): Promise<Response> {
  return new Promise((resolve) => {
    const sink = new BatchSink((body) => {
      const release = (): void => connection.gone();
      // A batch can be complete before `open` has returned the connection.
      completed.then(release, release);
      request.signal.removeEventListener("abort", onAbort);
      resolve(
        body === undefined ? new Response(null, { status: 500 }) : new Response(body, { headers: admission.headers }),
      );
    });
    const connection = admission.open(sink);
    function onAbort(): void {
      connection.gone();
      resolve(abandoned());
    }
    request.signal.addEventListener("abort", onAbort, { once: true });
  });
}

/** Returns the answer to a request whose client has disconnected. */
function abandoned(): Response {
  return new Response(null, { status: CLIENT_CLOSED_REQUEST, headers: { "cache-control": "no-store" } });
}

/** Collects a body that is sent whole: the answer to a poll. */
export class BatchSink implements Sink {
  readonly isChunked = false;
  readonly #done: (body: Uint8Array<ArrayBuffer> | undefined) => void;
  readonly #pieces: Uint8Array[] = [];

  /** @param done Called with the body, or with `undefined` if the response is destroyed. */
  constructor(done: (body: Uint8Array<ArrayBuffer> | undefined) => void) {
    this.#done = done;
  }

  write(bytes: Uint8Array): boolean {
    this.#pieces.push(bytes);
    return true;
  }

  end(bytes: Uint8Array): void {
    this.#pieces.push(bytes);
    this.#done(joinBytes(this.#pieces));
  }

  destroy(): void {
    this.#done(undefined);
  }
}

/**
 * The body of a streamed response.
 *
 * While the reader keeps up, a promise of `pull` is pending, so that the stream does not call `pull` for each write. It
 * resolves when the reader falls behind, and at the end: from then on calls of `pull` show what the reader takes.
 *
 * After its end the body stays open until its reader asks for more than the last bytes: only that shows that the reader
 * has sent them. A server that exits earlier would lose them.
 */
class StreamSink implements Sink, UnderlyingDefaultSource<Uint8Array> {
  readonly isChunked = false;
  /** Held for as long as the stream lives: Node collects the source of a request's signal together with the request. */
  readonly #request: Request;
  readonly #completed: PromiseLike<unknown> | undefined;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #connection: OpenStream | undefined;
  /** Resolves the promise of `pull`. */
  #resumePulls: () => void = () => undefined;
  /** The last bytes until they are queued. */
  #last: Uint8Array | undefined;
  /** Whether there are last bytes, and whether the reader has taken them. */
  #hasEnded = false;
  #isTaken = false;

  constructor(request: Request, completed: PromiseLike<unknown> | undefined) {
    this.#request = request;
    this.#completed = completed;
  }

  attach(connection: OpenStream): void {
    this.#connection = connection;
    // Deno cancels the body of a client that has disconnected, and warns of listeners to the signal.
    if (this.#completed === undefined) this.#request.signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  /** Closes the body of a client that has disconnected. An error would be logged as one of the application. */
  readonly #onAbort = (): void => this.#close();

  start(controller: ReadableStreamDefaultController<Uint8Array>): void {
    this.#controller = controller;
  }

  /** The reader has taken something, or asks for more. */
  pull(): Promise<void> | undefined {
    if (!this.#hasEnded) {
      const pending = new Promise<void>((resolve) => (this.#resumePulls = resolve));
      this.#connection?.drained();
      return pending;
    }
    if (this.#last === undefined && this.#controller?.desiredSize === HIGH_WATER_MARK) {
      // The first call means that the reader has taken the last bytes, the second that it asks for more.
      if (this.#isTaken) this.#complete();
      this.#isTaken = true;
    }
    return undefined;
  }

  cancel(): void {
    this.#release();
  }

  write(bytes: Uint8Array): boolean {
    // A copy: the reader may change the bytes of a body, and these bytes are shared by all subscribers.
    this.#controller?.enqueue(bytes.slice());
    const takesMore = (this.#controller?.desiredSize ?? 0) > 0;
    if (!takesMore) this.#resumePulls();
    return takesMore;
  }

  end(bytes: Uint8Array): void {
    this.#hasEnded = true;
    this.#last = bytes;
    this.#resumePulls();
    void this.#writeLast();
  }

  destroy(): void {
    // All bytes of an ended body are written, and its reader may still take them.
    if (this.#hasEnded) this.#close();
    else this.#settle((controller) => controller.error(breakOffError()));
  }

  /** Writes the last bytes once the stream can call `pull` again: two calls would be one while a promise is pending. */
  async #writeLast(): Promise<void> {
    for (let tick = 0; tick < SETTLING_TICKS; tick += 1) await Promise.resolve();
    this.#flushLast();
  }

  #flushLast(): void {
    if (this.#last === undefined) return;
    const last = this.#last;
    this.#last = undefined;
    try {
      this.#controller?.enqueue(last);
    } catch {
      // The reader has cancelled the body.
    }
  }

  /** Closes a body that its reader has taken whole, and releases the connection once the platform has sent it. */
  #complete(): void {
    if (this.#completed === undefined) {
      this.#close();
      return;
    }
    this.#controller?.close();
    const release = (): void => this.#release();
    this.#completed.then(release, release);
  }

  #close(): void {
    this.#flushLast();
    this.#settle((controller) => controller.close());
  }

  /** Closes or fails the body, and releases the connection. */
  #settle(settle: (controller: ReadableStreamDefaultController<Uint8Array>) => void): void {
    try {
      if (this.#controller !== undefined) settle(this.#controller);
    } catch {
      // It is closed already.
    }
    this.#release();
  }

  #release(): void {
    this.#request.signal.removeEventListener("abort", this.#onAbort);
    this.#connection?.gone();
  }
}

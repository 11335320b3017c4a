/**
 * Carries out a decision as a web-standard `Response`, and collects the body of a poll for any adapter.
 *
 * Do not hand shared bytes to a body's reader: `write` copies them. Every way in which a body can end must call
 * `connection.gone`, or the connection keeps its place in the hub.
 */

import { joinBytes } from "../core/bytes.ts";
import { isAdmission, type Admission, type Decision } from "./admission/decision.ts";
import type { Connection } from "./delivery/connection.ts";
import type { Sink } from "./delivery/sink.ts";

/** The high-water mark of a response's body, in bytes: more than this makes the subscriber lag. */
const HIGH_WATER_MARK = 65_536;

/**
 * Carries out a decision as a web-standard response. The response to a poll resolves when its body is complete.
 *
 * @returns Rejects with the reason of the request's signal if the client disconnects before there is a response.
 */
export async function respond(request: Request, deciding: Decision | PromiseLike<Decision>): Promise<Response> {
  const decision = await deciding;
  if (!isAdmission(decision)) {
    const { status, headers, body } = decision;
    return new Response(body === "" ? null : body, { status, headers });
  }
  if (request.signal.aborted) {
    decision.release();
    throw request.signal.reason;
  }
  return decision.wire === "poll" ? batchResponse(request, decision) : streamResponse(request, decision);
}

function streamResponse(request: Request, { headers, open }: Admission): Response {
  const sink = new StreamSink(request);
  const body = new ReadableStream<Uint8Array>(sink, new ByteLengthQueuingStrategy({ highWaterMark: HIGH_WATER_MARK }));
  sink.attach(open(sink));
  return new Response(body as ReadableStream<BufferSource>, { headers });
}

function batchResponse(request: Request, { headers, open }: Admission): Promise<Response> {
  return new Promise((resolve, reject) => {
    const sink = new BatchSink((body) => {
      // A batch can be complete before `open` has returned the connection.
      queueMicrotask(() => connection.gone());
      request.signal.removeEventListener("abort", onAbort);
      if (body === undefined) reject(new DOMException("The poll was broken off.", "AbortError"));
      else resolve(new Response(body, { headers }));
    });
    const connection = open(sink);
    function onAbort(): void {
      connection.gone();
      reject(request.signal.reason as Error);
    }
    request.signal.addEventListener("abort", onAbort, { once: true });
  });
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

/** The body of a streamed response. */
class StreamSink implements Sink, UnderlyingDefaultSource<Uint8Array> {
  readonly isChunked = false;
  /** Held for as long as the stream lives: Node collects the source of a request's signal together with the request. */
  readonly #request: Request;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #connection: Connection | undefined;

  constructor(request: Request) {
    this.#request = request;
  }

  attach(connection: Connection): void {
    this.#connection = connection;
    this.#request.signal.addEventListener("abort", this.#onAbort, { once: true });
  }

  readonly #onAbort = (): void => {
    this.#connection?.gone();
    this.#fail(this.#request.signal.reason);
  };

  start(controller: ReadableStreamDefaultController<Uint8Array>): void {
    this.#controller = controller;
  }

  pull(): void {
    this.#connection?.drained();
  }

  cancel(): void {
    this.#request.signal.removeEventListener("abort", this.#onAbort);
    this.#connection?.gone();
  }

  write(bytes: Uint8Array): boolean {
    // A copy: the reader may change the bytes of a body, and these bytes are shared by all subscribers.
    this.#controller?.enqueue(bytes.slice());
    return (this.#controller?.desiredSize ?? 0) > 0;
  }

  end(bytes: Uint8Array): void {
    this.#controller?.enqueue(bytes);
    this.#controller?.close();
    // The rest of the body belongs to its reader; the hub learns nothing more about it.
    queueMicrotask(() => this.#connection?.gone());
    this.#request.signal.removeEventListener("abort", this.#onAbort);
  }

  destroy(): void {
    this.#fail(new DOMException("The stream was broken off.", "AbortError"));
  }

  #fail(reason: unknown): void {
    try {
      this.#controller?.error(reason);
    } catch {
      // It is closed already.
    }
  }
}

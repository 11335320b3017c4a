import { joinBytes } from "../core/bytes.ts";
import { isAdmission, type Admission, type Decision } from "./admission/decision.ts";
import type { Connection } from "./delivery/connection.ts";
import type { Sink } from "./delivery/sink.ts";

/** How many bytes may wait in a response's body for its reader. */
const HIGH_WATER_MARK = 65_536;

/**
 * Carries out a decision as a web-standard response. The response to a poll resolves when its body is complete.
 *
 * @returns Rejects with the request signal's reason if the client leaves before there is a response.
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
      // The connection may not be there yet: a batch can be complete at once.
      queueMicrotask(() => connection.gone());
      request.signal.removeEventListener("abort", leave);
      if (body === undefined) reject(new DOMException("The poll was broken off.", "AbortError"));
      else resolve(new Response(body, { headers }));
    });
    const connection = open(sink);
    function leave(): void {
      connection.gone();
      reject(request.signal.reason as Error);
    }
    request.signal.addEventListener("abort", leave, { once: true });
  });
}

/** Collects a body that is sent whole. */
export class BatchSink implements Sink {
  readonly isChunked = false;
  readonly #done: (body: Uint8Array<ArrayBuffer> | undefined) => void;
  readonly #pieces: Uint8Array[] = [];

  /** @param done Is given the body, or nothing if it is broken off. */
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

/** The body of a response. */
class StreamSink implements Sink, UnderlyingDefaultSource<Uint8Array> {
  readonly isChunked = false;
  /** Held as long as the stream is: Node forgets what aborts a request's signal together with the request. */
  readonly #request: Request;
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #connection: Connection | undefined;

  constructor(request: Request) {
    this.#request = request;
  }

  attach(connection: Connection): void {
    this.#connection = connection;
    this.#request.signal.addEventListener("abort", this.#leave, { once: true });
  }

  readonly #leave = (): void => {
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
    this.#request.signal.removeEventListener("abort", this.#leave);
    this.#connection?.gone();
  }

  write(bytes: Uint8Array): boolean {
    // A copy: whoever reads the body may do with it what it wants, and these bytes are everybody's.
    this.#controller?.enqueue(bytes.slice());
    return (this.#controller?.desiredSize ?? 0) > 0;
  }

  end(bytes: Uint8Array): void {
    this.#controller?.enqueue(bytes);
    this.#controller?.close();
    // What is left in the body is its reader's; there is nothing more to be told about it.
    queueMicrotask(() => this.#connection?.gone());
    this.#request.signal.removeEventListener("abort", this.#leave);
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

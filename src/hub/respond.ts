import { joinBytes } from "../core/bytes.ts";
import type { Admission } from "./admission.ts";
import type { Connection } from "./connection.ts";
import type { Refusal } from "./problem.ts";
import type { Sink } from "./subscription.ts";

/** How many bytes may wait in a response's body for its reader. */
const HIGH_WATER_MARK = 65_536;

type Open = (admission: Admission, sink: Sink) => Connection;

/** A decision as a web-standard response. That of a poll comes when its body is complete. */
export function respond(request: Request, answer: Admission | Refusal, open: Open): Response | Promise<Response> {
  const { status, headers } = answer;
  if (!("asked" in answer)) return new Response(status === 204 ? null : answer.body, { status, headers });
  if (answer.headOnly) return new Response(null, { headers });
  if (answer.wire === "poll") return batchResponse(request, answer, open);
  const sink = new StreamSink();
  const body = new ReadableStream<Uint8Array>(sink, new ByteLengthQueuingStrategy({ highWaterMark: HIGH_WATER_MARK }));
  sink.attach(open(answer, sink), request.signal);
  return new Response(body as ReadableStream<BufferSource>, { headers });
}

function batchResponse(request: Request, answer: Admission, open: Open): Promise<Response> {
  return new Promise((resolve, reject) => {
    const { signal } = request;
    const sink = new BatchSink((body) => {
      // The connection may not be there yet: a batch can be complete at once.
      queueMicrotask(() => connection.gone());
      if (body === undefined) reject(new DOMException("The poll was broken off.", "AbortError"));
      else resolve(new Response(body, { headers: answer.headers }));
    });
    const connection = open(answer, sink);
    const leave = (): void => {
      connection.gone();
      reject(signal.reason as Error);
    };
    if (signal.aborted) leave();
    else signal.addEventListener("abort", leave, { once: true });
  });
}

/** Collects a body that is sent whole. */
export class BatchSink implements Sink {
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
  #controller: ReadableStreamDefaultController<Uint8Array> | undefined;
  #connection: Connection | undefined;

  attach(connection: Connection, signal: AbortSignal): void {
    this.#connection = connection;
    const leave = (): void => {
      connection.gone();
      this.#fail(signal.reason);
    };
    if (signal.aborted) leave();
    else signal.addEventListener("abort", leave, { once: true });
  }

  start(controller: ReadableStreamDefaultController<Uint8Array>): void {
    this.#controller = controller;
  }

  pull(): void {
    this.#connection?.drained();
  }

  cancel(): void {
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

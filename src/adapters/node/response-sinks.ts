/**
 * Sinks that write by a response's own methods: for polls, HTTP/1.0, responses that wait behind others, and responses that
 * middleware has changed.
 *
 * Every other stream uses the faster `SocketSink` or `Http2Sink`. The connection must get `gone` on every close of the response, or
 * its place in the hub leaks.
 */

import type { ServerResponse } from "node:http";
import { BatchSink } from "../../hub/respond.ts";
import type { OpenStream, Sink } from "../../hub/delivery/sink.ts";
import { connectionOf, type MarkedSocket } from "./detach/socket-symbols.ts";
import { destroyResponse, endedByOther, flushMiddleware, type NodeResponse } from "./node-response.ts";

/** Reports an error that has no caller. */
type Report = (error: unknown) => void;

/** Opens a connection whose answer is sent whole. */
export function openBatch(response: NodeResponse, open: (sink: Sink) => OpenStream, report: Report): void {
  const sink = new BatchSink((body) => {
    if (body === undefined) destroyResponse(response);
    else {
      response.setHeader("content-length", body.length);
      response.end(body);
    }
  });
  const connection = open(sink);
  response.on("close", () => closeConnection(response, connection, report));
}

/** Opens a connection on any response, by the response's own methods. */
export function openStream(response: NodeResponse, open: (sink: Sink) => OpenStream, report: Report): void {
  const connection = open(new ResponseSink(response));
  const socket: MarkedSocket | null | undefined = "stream" in response ? null : response.socket;
  if (socket) socket[connectionOf] = connection;
  response.on("close", () => {
    if (socket?.[connectionOf] === connection) socket[connectionOf] = undefined;
    closeConnection(response, connection, report);
  });
  response.on("drain", () => connection.drained());
}

/** Closes a connection whose response is over, and reports a response that other code has ended. */
export function closeConnection(response: NodeResponse, connection: OpenStream, report: Report | undefined): void {
  const isEndedByOther = !connection.over && response.writableEnded;
  connection.gone(isEndedByOther ? "error" : "client");
  if (isEndedByOther) report?.(endedByOther());
}

class ResponseSink implements Sink {
  readonly isChunked = false;
  readonly #response: ServerResponse;
  readonly #isHttp2: boolean;

  constructor(response: NodeResponse) {
    this.#isHttp2 = "stream" in response;
    // Both kinds of response have the same `write`, but TypeScript cannot call a union of their overloads.
    this.#response = response as ServerResponse;
  }

  write(bytes: Uint8Array): boolean {
    // Without this cork the response would hold everything until the next tick, and send it in one go after the whole
    // flush.
    const socket = this.#isHttp2 ? null : this.#response.socket;
    socket?.cork();
    const wantsMore = this.#response.write(bytes);
    flushMiddleware(this.#response);
    socket?.uncork();
    return wantsMore;
  }

  end(bytes: Uint8Array): void {
    this.#response.end(bytes);
  }

  destroy(): void {
    destroyResponse(this.#response);
  }
}

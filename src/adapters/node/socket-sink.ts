import { ServerResponse, type OutgoingHttpHeaders } from "node:http";
import type { Socket } from "node:net";
import type { OpenStream, Sink } from "../../hub/delivery/sink.ts";
import { asBuffer } from "./as-buffer.ts";
import { detachLater } from "./detach/detach.ts";
import {
  connectionOf,
  hasEnded,
  reportOf,
  responseOf,
  type MarkedResponse,
  type MarkedSocket,
} from "./detach/socket-symbols.ts";
import { detachableConnection } from "./detach/node-internals.ts";
import { isSoleListener, type RequestListener } from "./detach/sole-listener.ts";
import { isNode } from "./is-node.ts";
import type { NodeResponse } from "./node-response.ts";
import { closeConnection } from "./response-sinks.ts";

/** The end of a body in chunked coding (RFC 9112, 7.1). */
const LAST_CHUNK = "0\r\n\r\n";

/**
 * Writes bytes that are already in chunked coding to the socket of an HTTP/1.1 response.
 *
 * The response sends its own head and its own end. Between them `response.write` would frame the same bytes again for
 * each subscriber, in three writes. This file uses documented interfaces only: `response.socket`, `flushHeaders`,
 * `end`. Decision 11 has the figures.
 *
 * Where no code would notice, the connection then detaches from the response altogether (`detach/`), and this class
 * writes the end.
 *
 * Do not change the order in `open`: cork, head, `open`, uncork, detach in the next turn. `fits` must refuse every
 * response whose `write` or `end` is not Node's own, or the bytes of a middleware and of the hub mix.
 */
export class SocketSink implements Sink {
  readonly #socket: MarkedSocket;

  private constructor(socket: MarkedSocket) {
    this.#socket = socket;
  }

  /**
   * Returns whether a response can be written to in this way: on Node itself, on HTTP/1.1, first in line on its connection, and changed
   * by no other code, such as middleware that compresses.
   *
   * @param head The headers of the hub.
   * @param isPacked Whether the hub compresses the body, so that its headers name a coding.
   */
  static fits(response: NodeResponse, head: OutgoingHttpHeaders, isPacked: boolean): response is ServerResponse {
    return (
      isNode &&
      response instanceof ServerResponse &&
      response.req.httpVersion === "1.1" &&
      response.socket !== null &&
      response.write === ServerResponse.prototype.write &&
      response.end === ServerResponse.prototype.end &&
      !response.hasHeader("content-encoding") &&
      (isPacked || head["content-encoding"] === undefined) &&
      !response.hasHeader("transfer-encoding")
    );
  }

  /**
   * Sends the head, and opens a connection.
   *
   * @param head The headers. This method adds to them.
   * @param mayDetach Whether the connection may detach from Node's HTTP server.
   * @param listener The request listener that has called this; `undefined` if it has passed the request or the response on.
   * @param report Called with an error if other code ends the response.
   */
  static open(
    response: ServerResponse,
    head: OutgoingHttpHeaders,
    mayDetach: boolean,
    listener: RequestListener | undefined,
    open: (sink: Sink) => OpenStream,
    report: (error: unknown) => void,
  ): void {
    const socket = response.socket as Socket & MarkedSocket;
    const detachable = mayDetach && ownsConnectionEnd(response, head) ? detachableConnection(response) : undefined;
    // The head and the first bytes leave in one packet. Without it, from Node 26 on, the writes of the response would
    // wait.
    socket.cork();
    // All headers at once: a response keeps headers that are set one by one for as long as it lives.
    head["transfer-encoding"] = "chunked";
    // A detached connection has no parser to read another request.
    if (detachable !== undefined) head["connection"] = "close";
    response.writeHead(200, head);
    response.flushHeaders();
    socket[responseOf] = response;
    const connection = open(new SocketSink(socket));
    socket[connectionOf] = connection;
    const marked: MarkedResponse = response;
    marked[connectionOf] = connection;
    marked[reportOf] = report;
    socket.on("drain", onDrain);
    response.on("close", onClose);
    // Everything that the head and the first bytes were made of has been written.
    socket.uncork();
    if (detachable === undefined) return;
    detachLater(response, detachable, listener !== undefined && isSoleListener(detachable.server, listener));
  }

  get isChunked(): true {
    return true;
  }

  get batchKey(): object {
    return this.#socket;
  }

  write(bytes: Uint8Array): boolean {
    // The client has ended its side, so Node has ended this one. `close` follows. A write would destroy the socket before
    // it has sent what it holds.
    if (this.#socket.writableEnded) return false;
    return this.#socket.write(asBuffer(bytes));
  }

  end(bytes: Uint8Array): void {
    const socket = this.#socket;
    const response = socket[responseOf];
    if (socket.writableEnded) return;
    if (response === undefined) {
      socket[hasEnded] = true;
      socket.cork();
      socket.write(bytes);
      socket.write(LAST_CHUNK, "latin1");
      // As in Node: the end does not wait for a client that keeps its side open.
      socket.destroySoon();
      socket.uncork();
    } else {
      socket.write(bytes);
      response.end();
    }
  }

  destroy(): void {
    const socket = this.#socket;
    (socket[responseOf] ?? socket).destroy();
  }
}

/** Returns whether the application leaves the end of the connection, and the last chunk, to this adapter. */
function ownsConnectionEnd(response: ServerResponse, head: OutgoingHttpHeaders): boolean {
  const isSet = response.hasHeader("connection") || response.hasHeader("trailer");
  return !isSet && head["connection"] === undefined && head["trailer"] === undefined;
}

function onDrain(this: MarkedSocket): void {
  this[connectionOf]?.drained();
}

/** Handles the end of the response. Its connection may serve another one. */
function onClose(this: ServerResponse & MarkedResponse): void {
  const socket: Socket & MarkedSocket = this.req.socket;
  if (socket[responseOf] === this) {
    socket.off("drain", onDrain);
    socket[connectionOf] = undefined;
    socket[responseOf] = undefined;
  }
  const connection = this[connectionOf];
  if (connection !== undefined) closeConnection(this, connection, this[reportOf]);
}

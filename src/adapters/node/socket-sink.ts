import { ServerResponse, type OutgoingHttpHeaders } from "node:http";
import type { Socket } from "node:net";
import type { Connection } from "../../hub/connection.ts";
import type { Sink } from "../../hub/subscription.ts";
import type { NodeResponse } from "./response.ts";

/** Which connection a socket or response belongs to: so one listener serves them all, and none is made for each. */
const connectionOf = Symbol("comet-sockets.connection");

interface Marked {
  [connectionOf]?: Connection | undefined;
}

/**
 * Writes to the socket of an HTTP/1.1 response what is in chunked coding already. The response sends its own head and its
 * own end; between them it has nothing to say, and `response.write` would frame the same bytes again for each subscriber,
 * in three writes. Nothing but documented interfaces: `response.socket`, `flushHeaders`, `end`.
 */
export class SocketSink implements Sink {
  readonly isChunked = true;
  readonly #response: ServerResponse;
  readonly #socket: Socket;

  private constructor(response: ServerResponse, socket: Socket) {
    this.#response = response;
    this.#socket = socket;
  }

  /**
   * Whether a response can be written to in this way: HTTP/1.1, whose turn on its connection has come, and which nobody has
   * changed, as middleware that compresses does.
   */
  static fits(response: NodeResponse, headers: Headers): response is ServerResponse {
    return (
      response instanceof ServerResponse &&
      response.req.httpVersion === "1.1" &&
      response.socket !== null &&
      response.write === ServerResponse.prototype.write &&
      response.end === ServerResponse.prototype.end &&
      !response.hasHeader("content-encoding") &&
      !headers.has("content-encoding") &&
      !response.hasHeader("transfer-encoding")
    );
  }

  static open(response: ServerResponse, head: OutgoingHttpHeaders, open: (sink: Sink) => Connection): void {
    const socket = response.socket as Socket;
    // The head and the first bytes leave in one packet; and from Node 26 on, what the response writes would wait otherwise.
    socket.cork();
    // All at once: headers that are set one by one are kept for as long as the response is.
    response.writeHead(200, { ...head, "transfer-encoding": "chunked" });
    response.flushHeaders();
    const connection = open(new SocketSink(response, socket));
    process.nextTick(uncork, socket);
    (socket as Marked)[connectionOf] = connection;
    (response as Marked)[connectionOf] = connection;
    socket.on("drain", onDrain);
    response.on("close", onClose);
  }

  write(bytes: Uint8Array): boolean {
    return this.#socket.write(asBuffer(bytes));
  }

  end(bytes: Uint8Array): void {
    this.#socket.write(bytes);
    this.#response.end();
  }

  destroy(): void {
    this.#response.destroy();
  }
}

function uncork(socket: Socket): void {
  socket.uncork();
}

function onDrain(this: Marked): void {
  this[connectionOf]?.drained();
}

/** The response is over; its connection may go on to another. */
function onClose(this: ServerResponse & Marked): void {
  const { req } = this;
  req.socket.off("drain", onDrain);
  (req.socket as Marked)[connectionOf] = undefined;
  this[connectionOf]?.gone();
}

let bytesOfBuffer: Uint8Array | undefined;
let buffer: Buffer = Buffer.alloc(0);

/** The same bytes are written to one socket after the other; a socket would make a Buffer of them each time. */
function asBuffer(bytes: Uint8Array): Buffer {
  if (bytes !== bytesOfBuffer) {
    bytesOfBuffer = bytes;
    buffer = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length);
  }
  return buffer;
}

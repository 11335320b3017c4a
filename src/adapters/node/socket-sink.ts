import { ServerResponse, type OutgoingHttpHeaders } from "node:http";
import type { Socket } from "node:net";
import type { Connection } from "../../hub/delivery/connection.ts";
import type { Sink } from "../../hub/delivery/sink.ts";
import { letGo } from "./detach/detach.ts";
import { connectionOf, hasEnded, responseOf, type MarkedResponse, type MarkedSocket } from "./detach/socket-symbols.ts";
import { heldBy, type Held } from "./detach/node-internals.ts";
import type { NodeResponse } from "./node-response.ts";

/** What ends a body in chunked coding (RFC 9112, 7.1). */
const LAST_CHUNK = "0\r\n\r\n";

/**
 * Writes to the socket of an HTTP/1.1 response what is in chunked coding already. The response sends its own head and its
 * own end; between them it has nothing to say, and `response.write` would frame the same bytes again for each subscriber,
 * in three writes. Nothing but documented interfaces: `response.socket`, `flushHeaders`, `end`.
 *
 * Where nobody would notice, the connection then lets go of the response altogether (`let-go.ts`), and the end is written here.
 */
export class SocketSink implements Sink {
  readonly isChunked = true;
  readonly #socket: MarkedSocket;

  private constructor(socket: MarkedSocket) {
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

  /**
   * Sends the head, and opens a connection.
   *
   * @param head The headers, which are this method's to add to.
   * @param mayDetach Whether the connection may detach from Node's HTTP server.
   */
  static open(
    response: ServerResponse,
    head: OutgoingHttpHeaders,
    mayDetach: boolean,
    open: (sink: Sink) => Connection,
  ): void {
    const socket = response.socket as Socket & MarkedSocket;
    const held = mayDetach && mayEndConnection(response, head) ? heldBy(response) : undefined;
    // The head and the first bytes leave in one packet; and from Node 26 on, what the response writes would wait otherwise.
    socket.cork();
    // All at once: headers that are set one by one are kept for as long as the response is.
    head["transfer-encoding"] = "chunked";
    // Node will not be there to read another request.
    if (held !== undefined) head["connection"] = "close";
    response.writeHead(200, head);
    response.flushHeaders();
    socket[responseOf] = response;
    const connection = open(new SocketSink(socket));
    process.nextTick(sendBeginning, response, socket, held);
    socket[connectionOf] = connection;
    (response as MarkedResponse)[connectionOf] = connection;
    socket.on("drain", onDrain);
    response.on("close", onClose);
  }

  write(bytes: Uint8Array): boolean {
    return this.#socket.write(asBuffer(bytes));
  }

  end(bytes: Uint8Array): void {
    const socket = this.#socket;
    const response = socket[responseOf];
    if (response === undefined) {
      socket[hasEnded] = true;
      socket.cork();
      socket.write(bytes);
      socket.write(LAST_CHUNK, "latin1");
      // As Node does it: a client that does not close its side as well is not waited for.
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

/** Whether the application has nothing to say on what becomes of the connection, or on the last chunk. */
function mayEndConnection(response: ServerResponse, head: OutgoingHttpHeaders): boolean {
  return !["connection", "trailer"].some((name) => response.hasHeader(name) || name in head);
}

/** Everything that the head and the first bytes were made of has been read and written by now. */
function sendBeginning(response: ServerResponse, socket: Socket, held: Held | undefined): void {
  socket.uncork();
  if (held !== undefined) letGo(response, held);
}

function onDrain(this: MarkedSocket): void {
  this[connectionOf]?.drained();
}

/** The response is over; its connection may go on to another. */
function onClose(this: ServerResponse & MarkedResponse): void {
  const socket: Socket & MarkedSocket = this.req.socket;
  if (socket[responseOf] === this) {
    socket.off("drain", onDrain);
    socket[connectionOf] = undefined;
    socket[responseOf] = undefined;
  }
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

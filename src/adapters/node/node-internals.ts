/**
 * The one place that knows what Node does not document: how its HTTP server holds a connection. What is here is only done
 * where all of it is found just as it is expected, and nothing is changed before that is known.
 *
 * Why at all: for a connection whose request has been read and whose response will only ever be written past, Node keeps a
 * parser, a request and a response, two thirds of all memory that an idle stream takes. It lets go of them itself when a connection is
 * upgraded, or closed; this calls the listeners that it does so with. Decision 12 has the figures.
 */
import { hasSubscribers } from "node:diagnostics_channel";
import type { EventEmitter } from "node:events";
import { IncomingMessage, Server, ServerResponse } from "node:http";
import { Socket } from "node:net";

type Listener = (this: Socket) => void;

/** What Node's HTTP server adds to a socket, as far as it is looked at here. */
interface ServerSocket extends Socket {
  readonly server?: unknown;
  readonly parser?: { readonly incoming?: unknown } | null;
  readonly _httpMessage?: unknown;
}

/** The listeners by which Node's HTTP server serves one connection. */
interface Listeners {
  readonly data: Listener;
  readonly end: Listener;
  readonly drain: Listener;
  readonly close: Listener;
}

/** A response whose connection has been let go of, and how it is put back in its place. */
export interface Detached {
  readonly socket: Socket;
  /** What tells the response that it may be written to again. */
  readonly onDrain: Listener;
}

const plainResponse = ServerResponse.prototype;
const plainRequest = IncomingMessage.prototype;

/** How many listeners of Node's and of this adapter a response has, for each event. */
export type OwnListeners = { readonly [event: string]: number };

/**
 * The server that holds a response's connection, if nobody would notice that it lets go: plain TCP with no time limit, a
 * request that has been read, and nobody but Node and this adapter who listens or has changed anything.
 */
export function serverOf(response: ServerResponse, own: OwnListeners): Server | undefined {
  const { req: request } = response;
  const socket: ServerSocket | null = response.socket;
  if (socket === null || Object.getPrototypeOf(socket) !== Socket.prototype) return undefined;
  const { server } = socket;
  const isPlain =
    server instanceof Server &&
    typeof server.closeAllConnections === "function" &&
    server.timeout === 0 &&
    (socket.timeout ?? 0) === 0 &&
    response.emit === plainResponse.emit &&
    response.on === plainResponse.on &&
    response.destroy === plainResponse.destroy &&
    typeof response.assignSocket === "function" &&
    response.assignSocket === plainResponse.assignSocket &&
    response.detachSocket === plainResponse.detachSocket &&
    request.emit === plainRequest.emit &&
    request.on === plainRequest.on &&
    request.destroy === plainRequest.destroy &&
    request.eventNames().length === 0 &&
    response.eventNames().every((name) => response.listenerCount(name) <= (own[String(name)] ?? 0)) &&
    named(response, "finish", "bound resOnFinish") !== undefined &&
    !hasSubscribers("http.server.response.finish") &&
    listenersOf(socket) !== undefined &&
    request.headers["content-length"] === undefined &&
    request.headers["transfer-encoding"] === undefined &&
    // Another request may have come behind this one, and waits for its turn.
    socket.parser?.incoming === request &&
    socket._httpMessage === response;
  return isPlain ? server : undefined;
}

/**
 * Has Node let go of the parser, the request and the response of a connection. What comes from the client is discarded
 * from now on.
 *
 * @returns How the response is put back; `undefined` if it is not as expected, and nothing has been done.
 */
export function detach(response: ServerResponse, own: OwnListeners): Detached | undefined {
  const { req: request, socket } = response;
  if (serverOf(response, own) === undefined || socket === null) return undefined;
  if (!request.complete || response.writableEnded || socket.destroyed) return undefined;
  const node = listenersOf(socket) as Listeners;
  // A listener of ours for data has Node take the handle back from its parser.
  socket.on("data", discard);
  socket.off("data", node.data);
  socket.off("end", node.end);
  socket.off("drain", node.drain);
  socket.off("close", node.close);
  response.detachSocket(socket);
  // Where the connection is closed Node frees the parser, and destroys the request: but this one is well.
  request.destroy = () => request;
  node.close.call(socket);
  Reflect.deleteProperty(request, "destroy");
  socket.resume();
  return { socket, onDrain: node.drain };
}

/** Puts a response back on its connection, as one that can be written to and is told what becomes of it. */
export function attach(response: ServerResponse, { socket, onDrain }: Detached): void {
  response.assignSocket(socket);
  socket.on("drain", onDrain);
  // It is told so late what it would have been told in time.
  if (socket.closed) named(socket, "close", "onServerResponseClose")?.call(socket);
}

function discard(): void {
  // The client has nothing more to say.
}

function listenersOf(socket: ServerSocket): Listeners | undefined {
  const data = named(socket, "data", "bound socketOnData");
  const end = named(socket, "end", "bound socketOnEnd");
  const drain = named(socket, "drain", "bound socketOnDrain");
  const close = named(socket, "close", "bound socketOnClose");
  if (data === undefined || end === undefined || drain === undefined || close === undefined) return undefined;
  return { data, end, drain, close };
}

/** A listener of Node's own. */
function named(emitter: EventEmitter, event: string, name: string): Listener | undefined {
  return emitter.listeners(event).find((listener) => listener.name === name) as Listener | undefined;
}

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

/** How Node's server holds a connection that it could let go of. */
export interface Held {
  readonly server: Server;
  readonly socket: Socket;
  readonly listeners: Listeners;
}

const plainResponse = ServerResponse.prototype;
const plainRequest = IncomingMessage.prototype;

/**
 * How the connection of a response is held, if nobody would notice that it is let go of: plain TCP, a request without a body,
 * and nobody but Node and this adapter who listens or has changed anything.
 */
export function heldBy(response: ServerResponse): Held | undefined {
  const socket: ServerSocket | null = response.socket;
  const { headers } = response.req;
  if (socket === null || Object.getPrototypeOf(socket) !== Socket.prototype) return undefined;
  const { server } = socket;
  const listeners = listenersOf(socket);
  const isUsual =
    isServer(server) &&
    typeof server.closeAllConnections === "function" &&
    server.timeout === 0 &&
    headers["content-length"] === undefined &&
    headers["transfer-encoding"] === undefined &&
    !hasSubscribers("http.server.response.finish") &&
    named(response, "finish", "bound resOnFinish") !== undefined &&
    listeners !== undefined &&
    isUnnoticed(response, socket, ["error", "finish"]);
  return isUsual ? { server, socket, listeners } : undefined;
}

function isServer(server: unknown): server is Server {
  return server instanceof Server;
}

/** @param own The events of the response that Node and this adapter listen to, once each. */
function isUnnoticed(response: ServerResponse, socket: ServerSocket, own: readonly string[]): boolean {
  const { req: request } = response;
  return (
    countOfEvents(request) === 0 &&
    countOfEvents(response) === own.length &&
    own.every((event) => response.listenerCount(event) === 1) &&
    response.emit === plainResponse.emit &&
    response.on === plainResponse.on &&
    response.destroy === plainResponse.destroy &&
    typeof response.assignSocket === "function" &&
    response.assignSocket === plainResponse.assignSocket &&
    response.detachSocket === plainResponse.detachSocket &&
    request.emit === plainRequest.emit &&
    request.on === plainRequest.on &&
    request.destroy === plainRequest.destroy &&
    (socket.timeout ?? 0) === 0 &&
    // Another request may have come behind this one, and waits for its turn.
    socket.parser?.incoming === request &&
    socket._httpMessage === response
  );
}

/** How many events somebody listens to; `eventNames` says it too, and takes longer than all the rest. */
function countOfEvents(emitter: EventEmitter & { readonly _eventsCount?: number }): number | undefined {
  return emitter._eventsCount;
}

/**
 * Has Node let go of the parser, the request and the response of a connection. What comes from the client is discarded
 * from now on.
 *
 * @returns Whether it is done. If not, nothing has been done.
 */
export function detach(response: ServerResponse, { socket, listeners }: Held): boolean {
  const { req: request } = response;
  if (!isUnnoticed(response, socket, ["error", "finish", "close"])) return false;
  if (!request.complete || response.writableEnded || socket.destroyed) return false;
  // A listener of ours for data has Node take the handle back from its parser.
  socket.on("data", discard);
  socket.off("data", listeners.data);
  socket.off("end", listeners.end);
  socket.off("drain", listeners.drain);
  socket.off("close", listeners.close);
  response.detachSocket(socket);
  close(request, socket, listeners);
  socket.resume();
  return true;
}

/** Where a connection is closed, Node frees the parser, and destroys the request with an error: but this one is well. */
function close(request: IncomingMessage, socket: Socket, listeners: Listeners): void {
  const { stackTraceLimit } = Error;
  request.destroy = () => request;
  // Nobody will see the error, and its stack is what takes the time.
  Reflect.set(Error, "stackTraceLimit", 0);
  try {
    listeners.close.call(socket);
  } finally {
    Reflect.set(Error, "stackTraceLimit", stackTraceLimit);
    Reflect.deleteProperty(request, "destroy");
  }
}

/** Puts a response back on its connection, as one that can be written to and is told what becomes of it. */
export function attach(response: ServerResponse, { socket, listeners }: Held): void {
  response.assignSocket(socket);
  socket.on("drain", listeners.drain);
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
  const onClose = named(socket, "close", "bound socketOnClose");
  if (data === undefined || end === undefined || drain === undefined || onClose === undefined) return undefined;
  return { data, end, drain, close: onClose };
}

/** A listener of Node's own. */
function named(emitter: EventEmitter, event: string, name: string): Listener | undefined {
  return emitter.listeners(event).find((listener) => listener.name === name) as Listener | undefined;
}

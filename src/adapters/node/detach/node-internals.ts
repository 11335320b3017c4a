/**
 * The only file that knows undocumented parts of Node: how its HTTP server serves a connection, and where a socket keeps
 * its file descriptor.
 *
 * Everything here is checked first. If anything is not exactly as expected, nothing is changed and the connection stays
 * with Node. Keep that order, add no other use of internals, and after each change run the package tests of detaching
 * on Node 20, 22, 24 and 26.
 *
 * The reason: a stream's request has been read and its response is written past, but Node keeps a parser, a request and
 * a response for it, two thirds of an idle stream's memory. Node releases them itself when a connection is upgraded or
 * closed; this file calls the listeners by which it does. Decision 12 has the figures.
 */

import { hasSubscribers } from "node:diagnostics_channel";
import type { EventEmitter } from "node:events";
import { IncomingMessage, Server, ServerResponse } from "node:http";
import { Socket } from "node:net";

type Listener = (this: Socket) => void;

/** The undocumented properties of a socket that this file reads. */
interface ServerSocket extends Socket {
  readonly server?: unknown;
  readonly parser?: { readonly incoming?: unknown } | null;
  readonly _httpMessage?: unknown;
  /** Its handle in libuv, with the file descriptor: -1 if it is closed. */
  readonly _handle?: { readonly fd: number } | null;
}

/** The listeners by which Node's HTTP server serves one connection. */
interface Listeners {
  readonly data: Listener;
  readonly end: Listener;
  readonly drain: Listener;
  readonly close: Listener;
}

/** A connection that Node's server can release. */
export interface NodeConnection {
  readonly server: Server;
  readonly socket: Socket;
  readonly listeners: Listeners;
}

const plainResponse = ServerResponse.prototype;
const plainRequest = IncomingMessage.prototype;

/**
 * Returns the connection of a response if no code would notice its detachment; `undefined` otherwise.
 *
 * It must be plain TCP, and only Node and this adapter may listen to it or have changed anything. A request with a body
 * detaches once the body has been read.
 */
export function detachableConnection(response: ServerResponse): NodeConnection | undefined {
  const socket: ServerSocket | null = response.socket;
  if (socket === null || Object.getPrototypeOf(socket) !== Socket.prototype) return undefined;
  const { server } = socket;
  const listeners = listenersOf(socket);
  const isUsual =
    isServer(server) &&
    typeof server.closeAllConnections === "function" &&
    server.timeout === 0 &&
    !hasSubscribers("http.server.response.finish") &&
    nodeListener(response, "finish", "bound resOnFinish") !== undefined &&
    listeners !== undefined &&
    isUnnoticed(response, socket, ["error", "finish"]);
  return isUsual ? { server, socket, listeners } : undefined;
}

function isServer(server: unknown): server is Server {
  return server instanceof Server;
}

/**
 * Returns whether no other code has touched the request, the response or the socket.
 *
 * @param own The events of the response that Node and this adapter listen to, once each.
 */
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
    // A pipelined request behind this one waits for its turn.
    socket.parser?.incoming === request &&
    socket._httpMessage === response
  );
}

/**
 * Returns the number of events with listeners. `eventNames` has it too, but takes longer than all other checks
 * together.
 */
function countOfEvents(emitter: EventEmitter & { readonly _eventsCount?: number }): number | undefined {
  return emitter._eventsCount;
}

/**
 * Has Node release the parser, the request and the response of a connection. Further data of the client is discarded.
 *
 * @returns Whether it is detached. If not, nothing has changed.
 */
export function detachFromServer(response: ServerResponse, { socket, listeners }: NodeConnection): boolean {
  const { req: request } = response;
  if (!isUnnoticed(response, socket, ["error", "finish", "close"])) return false;
  if (!request.complete || response.writableEnded || socket.destroyed) return false;
  // A data listener of this file makes Node take the handle back from its parser.
  socket.on("data", discard);
  socket.off("data", listeners.data);
  socket.off("end", listeners.end);
  socket.off("drain", listeners.drain);
  socket.off("close", listeners.close);
  response.detachSocket(socket);
  callCloseListener(request, socket, listeners);
  socket.resume();
  return true;
}

/**
 * Calls Node's own close listener, which frees the parser. It would also destroy the request with an error, but this
 * request is well. A request that is destroyed already is left alone, so it is marked as such for the duration of the call.
 */
function callCloseListener(request: IncomingMessage, socket: Socket, listeners: Listeners): void {
  const { stackTraceLimit } = Error;
  const { destroyed } = request;
  request.destroyed = true;
  // No code sees the error, and its stack takes most of the time.
  Reflect.set(Error, "stackTraceLimit", 0);
  try {
    listeners.close.call(socket);
  } finally {
    Reflect.set(Error, "stackTraceLimit", stackTraceLimit);
    request.destroyed = destroyed;
  }
}

/**
 * Attaches a response to its connection again, so that it can be written to and is notified of the connection's end.
 */
export function reattach(response: ServerResponse, { socket, listeners }: NodeConnection): void {
  response.assignSocket(socket);
  socket.on("drain", listeners.drain);
  // The connection has closed meanwhile, so the response is notified late.
  if (socket.closed) nodeListener(socket, "close", "onServerResponseClose")?.call(socket);
}

/** The prototype of the handles of TCP sockets, once one was seen. */
let tcpHandle: unknown;

/**
 * Returns the file descriptor of a plain TCP socket whose next write Node would pass to the kernel at once; -1 for any
 * other socket. It belongs to the socket until other code runs.
 *
 * A socket with a timeout is excluded: bytes that Node does not write do not restart it.
 */
export function idleDescriptor(socket: ServerSocket): number {
  const { _handle: handle } = socket;
  if (handle === null || handle === undefined) return -1;
  const kind: unknown = Object.getPrototypeOf(handle);
  if (kind !== tcpHandle) {
    if (handle.constructor.name !== "TCP") return -1;
    tcpHandle = kind;
  }
  const isIdle =
    Object.getPrototypeOf(socket) === Socket.prototype &&
    socket.write === Socket.prototype.write &&
    socket.writableLength === 0 &&
    socket.writableCorked === 0 &&
    !socket.writableEnded &&
    !socket.destroyed &&
    !socket.connecting &&
    (socket.timeout ?? 0) === 0;
  return isIdle ? handle.fd : -1;
}

function discard(): void {
  // Data after the request is ignored.
}

function listenersOf(socket: ServerSocket): Listeners | undefined {
  const data = nodeListener(socket, "data", "bound socketOnData");
  const end = nodeListener(socket, "end", "bound socketOnEnd");
  const drain = nodeListener(socket, "drain", "bound socketOnDrain");
  const onClose = nodeListener(socket, "close", "bound socketOnClose");
  if (data === undefined || end === undefined || drain === undefined || onClose === undefined) return undefined;
  return { data, end, drain, close: onClose };
}

/** The undocumented property of an emitter with its listeners: one function, or several in a list. */
interface WithListeners {
  readonly _events?: { readonly [event: string]: Listener | readonly Listener[] | undefined };
}

/** Returns a listener of Node's own, by its name. `listeners` would copy the list, and costs more than all other checks. */
function nodeListener(emitter: EventEmitter & WithListeners, event: string, name: string): Listener | undefined {
  const found = emitter._events?.[event];
  if (typeof found === "function") return found.name === name ? found : undefined;
  return found?.find((listener) => listener.name === name);
}

import type { Server, ServerResponse } from "node:http";
import { restoreOnAccess } from "./restore-on-access.ts";
import { connectionOf, responseOf, type MarkedSocket } from "./socket-symbols.ts";
import { detachFromServer, type NodeConnection } from "./node-internals.ts";
import { addOpenSocket, removeOpenSocket } from "./open-sockets.ts";

/** The server that a detached socket belongs to. */
const serverOf: unique symbol = Symbol("comet-sockets.server");

interface OpenSocket extends MarkedSocket {
  [serverOf]?: Server;
}

/** A stream whose head has been sent, and whose connection is to detach. */
interface Detachable {
  readonly response: ServerResponse;
  readonly connection: NodeConnection;
  /** Whether no other code can hold the request or the response. */
  readonly isPrivate: boolean;
}

/** The streams that detach in the next turn. */
let waiting: Detachable[] = [];

/**
 * Detaches a connection in a turn of its own, once its request has been read. One callback serves all streams of a turn.
 *
 * A tick is too early: the parser runs ticks between the requests of one packet, if they have more than 32 header lines.
 */
export function detachLater(response: ServerResponse, connection: NodeConnection, isPrivate: boolean): void {
  if (waiting.length === 0) setImmediate(detachAll);
  waiting.push({ response, connection, isPrivate });
}

function detachAll(): void {
  const all = waiting;
  waiting = [];
  for (const { response, connection, isPrivate } of all) {
    if (response.req.complete) detach(response, connection, isPrivate);
    // The rest of the body is on its way, and it is discarded.
    else response.req.once("end", () => detachLater(response, connection, isPrivate));
  }
}

/**
 * Detaches the connection of a stream from Node's parser, its request and its response, which it no longer needs.
 *
 * The head is sent, and says that the connection ends with the stream. Never call this while the parser runs,
 * which it does in ticks and microtasks too; call it in a turn of its own. Never call it for a response that `detachableConnection` has not accepted. If anything is not as expected, it does nothing.
 *
 * @param isPrivate Whether no other code can hold the request or the response, so that nothing uses them late.
 */
function detach(response: ServerResponse, nodeConnection: NodeConnection, isPrivate: boolean): void {
  if (!detachFromServer(response, nodeConnection)) return;
  const { server } = nodeConnection;
  const socket: OpenSocket = nodeConnection.socket;
  socket[responseOf] = undefined;
  socket[serverOf] = server;
  addOpenSocket(server, socket);
  socket.on("end", onEnd);
  socket.on("close", onClose);
  if (!isPrivate) restoreOnAccess(response, nodeConnection);
}

/** Ends the socket when the client ends its side, as Node's server does with its connections. */
function onEnd(this: OpenSocket): void {
  this.end();
}

function onClose(this: OpenSocket): void {
  const { [serverOf]: server, [connectionOf]: connection } = this;
  if (server !== undefined) removeOpenSocket(server, this);
  this[connectionOf] = undefined;
  connection?.gone();
}

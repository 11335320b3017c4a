import type { Server, ServerResponse } from "node:http";
import { watchLateUse } from "./restore-on-access.ts";
import { connectionOf, responseOf, type MarkedSocket } from "./socket-symbols.ts";
import { detach, type Held } from "./node-internals.ts";
import { addOpenSocket, removeOpenSocket } from "./open-sockets.ts";

/** The server that a socket of ours belongs to. */
const serverOf: unique symbol = Symbol("comet-sockets.server");

interface OpenSocket extends MarkedSocket {
  [serverOf]?: Server;
}

/**
 * Has the connection of a stream let go of all that was needed for its beginning: Node's parser, the request and the response.
 * Its head is sent, and says that the connection ends with the stream. Not to be called where the parser is at work.
 */
export function letGo(response: ServerResponse, held: Held): void {
  if (!detach(response, held)) return;
  const { server } = held;
  const socket: OpenSocket = held.socket;
  socket[responseOf] = undefined;
  socket[serverOf] = server;
  addOpenSocket(server, socket);
  socket.on("end", onEnd);
  socket.on("close", onClose);
  watchLateUse(response, held);
}

/** As with any of Node's connections, a client that sends its end is not served any longer. */
function onEnd(this: OpenSocket): void {
  this.end();
}

function onClose(this: OpenSocket): void {
  const { [serverOf]: server, [connectionOf]: connection } = this;
  if (server !== undefined) removeOpenSocket(server, this);
  this[connectionOf] = undefined;
  connection?.gone();
}

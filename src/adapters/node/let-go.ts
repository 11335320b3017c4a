import type { Server, ServerResponse } from "node:http";
import { watchLateUse } from "./late-use.ts";
import { connectionOf, responseOf, type MarkedSocket } from "./marks.ts";
import { detach } from "./node-internals.ts";
import { addOpenSocket, removeOpenSocket } from "./open-sockets.ts";

/** The server that a socket of ours belongs to. */
const serverOf: unique symbol = Symbol("comet-sockets.server");

interface OpenSocket extends MarkedSocket {
  [serverOf]?: Server;
}

/** What Node and this adapter listen to on the response of a stream. */
const ownListeners = { finish: 1, error: 1, close: 1 };

let waiting: { readonly server: Server; readonly response: ServerResponse }[] = [];

/**
 * Has the connection of a stream let go of all that was needed for its beginning: Node's parser, the request and the response.
 * Its head is sent, and says that the connection ends with the stream.
 *
 * Not at once: the parser is still at work, and who has connected may be about to listen.
 */
export function letGoSoon(server: Server, response: ServerResponse): void {
  if (waiting.length === 0) setImmediate(letGoOfAll);
  waiting.push({ server, response });
}

function letGoOfAll(): void {
  const all = waiting;
  waiting = [];
  for (const { server, response } of all) letGo(server, response);
}

function letGo(server: Server, response: ServerResponse): void {
  const socket: OpenSocket | null = response.socket;
  const detached = detach(response, ownListeners);
  if (detached === undefined || socket === null) return;
  socket[responseOf] = undefined;
  socket[serverOf] = server;
  addOpenSocket(server, socket);
  socket.on("end", onEnd);
  socket.on("close", onClose);
  watchLateUse(response, detached);
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

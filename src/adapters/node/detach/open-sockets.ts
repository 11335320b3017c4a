import type { Server } from "node:http";
import type { Socket } from "node:net";

/** The sockets of each server that Node's own list of its connections has lost sight of. */
const socketsOf = new WeakMap<Server, Set<Socket>>();

/** Has `server.closeAllConnections()` break this connection off as well. */
export function addOpenSocket(server: Server, socket: Socket): void {
  let sockets = socketsOf.get(server);
  if (sockets === undefined) {
    sockets = new Set();
    socketsOf.set(server, sockets);
    wrap(server, sockets);
  }
  sockets.add(socket);
}

export function removeOpenSocket(server: Server, socket: Socket): void {
  socketsOf.get(server)?.delete(socket);
}

function wrap(server: Server, sockets: ReadonlySet<Socket>): void {
  const closeAllConnections = server.closeAllConnections.bind(server);
  Object.defineProperty(server, "closeAllConnections", {
    configurable: true,
    writable: true,
    value: () => {
      for (const socket of sockets) socket.destroy();
      closeAllConnections();
    },
  });
}

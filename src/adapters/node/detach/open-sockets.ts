/**
 * Makes `server.closeAllConnections()` destroy detached sockets too, which Node's own list of connections no longer
 * has.
 *
 * Each server's method is wrapped once, on the first detached socket. The wrapper must call Node's method, and every
 * added socket must be removed when it closes, or it is never collected.
 */

import type { Server } from "node:http";
import type { Socket } from "node:net";

/** The detached sockets of each server. */
const socketsOf = new WeakMap<Server, Set<Socket>>();

/** Adds a detached socket, for `server.closeAllConnections()`. */
export function addOpenSocket(server: Server, socket: Socket): void {
  let sockets = socketsOf.get(server);
  if (sockets === undefined) {
    sockets = new Set();
    socketsOf.set(server, sockets);
    wrap(server, sockets);
  }
  sockets.add(socket);
}

/** Removes a detached socket that has closed. */
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

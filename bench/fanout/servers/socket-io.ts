/**
 * Peer: Socket.IO, `io.emit` as its documentation broadcasts, with default options: clients on WebSocket, no compression, no
 * recovery of connection state.
 */
import { createServer } from "node:http";
import { Server } from "socket.io";
import { host, listenOptions } from "./host.ts";

const server = createServer();
const io = new Server(server);
server.listen(listenOptions, () => {
  host(server, {
    publish: (all) => {
      for (const message of all) io.emit("message", message);
    },
    count: () => io.sockets.sockets.size,
  });
});

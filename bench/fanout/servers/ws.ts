/**
 * Peer: `ws`, as its README broadcasts: over `clients`, to each that is open. No compression, its default. The message is
 * given as a Buffer made once, as one that came from another client would be, and sent as text.
 */
import { createServer } from "node:http";
import { WebSocket, WebSocketServer } from "ws";
import { host, listenOptions } from "./host.ts";

const server = createServer();
const sockets = new WebSocketServer({ server });
server.listen(listenOptions, () => {
  host(server, {
    publish: (all) => {
      for (const message of all) {
        const data = Buffer.from(message);
        for (const client of sockets.clients) {
          if (client.readyState === WebSocket.OPEN) client.send(data, { binary: false });
        }
      }
    },
    count: () => sockets.clients.size,
  });
});

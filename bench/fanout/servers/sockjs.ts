/**
 * Peer: SockJS, its transport xhr_streaming; it has no broadcast, so `write` is called for each connection. One option is not the
 * default: `response_limit`, so that no client has to come back after 128 KiB in the middle of what is timed.
 */
import { createServer } from "node:http";
import sockjs, { type Connection } from "sockjs";
import { host, listenOptions } from "./host.ts";

const connections = new Set<Connection>();
const echo = sockjs.createServer({ prefix: "/live", response_limit: 1 << 30, log: () => undefined });
echo.on("connection", (connection) => {
  connections.add(connection);
  connection.on("close", () => connections.delete(connection));
});
const server = createServer();
echo.installHandlers(server);
server.listen(listenOptions, () => {
  host(server, {
    publish: (all) => {
      for (const message of all) for (const connection of connections) connection.write(message);
    },
    count: () => connections.size,
  });
});

import { createServer } from "node:http";
import { Hub } from "comet-sockets";
import { nodeHandler } from "comet-sockets/node";

const hub = new Hub();
export const server = createServer(nodeHandler(hub)).listen(process.env["PORT"] ?? 4000);

for (const signal of ["SIGTERM", "SIGINT"] as const) {
  process.once(signal, async () => {
    server.close(); // New connections are refused.
    await hub.close({ drainMs: 3000 }); // Every client gets a time to reconnect.
    server.closeAllConnections(); // Idle keep-alive connections. Then the process has nothing left to do, and exits.
  });
}

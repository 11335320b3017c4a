import { createServer } from "node:http";
import sockjs, { type Connection } from "sockjs";

const connections = new Set<Connection>();
const chat = sockjs.createServer({ log: () => undefined });
chat.on("connection", (connection) => {
  connections.add(connection);
  connection.on("data", (text) => {
    for (const other of connections) other.write(JSON.stringify({ text }));
  });
  connection.on("close", () => connections.delete(connection));
});

export const server = createServer();
chat.installHandlers(server, { prefix: "/chat" });
server.listen(process.env["PORT"] ?? 4000);

/**
 * Control: the least that Node can do. A bare TCP server that answers every request by the same head, and writes one buffer
 * to every socket: the frames of all messages of a turn, in chunked coding already.
 */
import { createServer, type Socket } from "node:net";
import { chunk, sseFrame, sseHeaders } from "./frame.ts";
import { host, listenOptions } from "./host.ts";

const lines = Object.entries({ ...sseHeaders, "transfer-encoding": "chunked" }).map((header) => header.join(": "));
const head = `HTTP/1.1 200 OK\r\n${lines.join("\r\n")}\r\n\r\n`;
const sockets = new Set<Socket>();
let id = 0;

const server = createServer({ noDelay: true }, (socket) => {
  // A request of a client of ours comes in one piece.
  socket.once("data", () => {
    socket.write(head);
    sockets.add(socket);
  });
  socket.on("error", () => undefined);
  socket.on("close", () => sockets.delete(socket));
});
server.listen(listenOptions, () => {
  host(server, {
    publish: (all) => {
      const bytes = Buffer.from(chunk(all.map((message) => sseFrame(message, (id += 1))).join("")));
      for (const socket of sockets) socket.write(bytes);
    },
    count: () => sockets.size,
  });
});

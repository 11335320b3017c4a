/** Control for many topics: as raw-socket.ts, but every socket is written bytes of its own, which are encoded for it alone. */
import { createServer, type Socket } from "node:net";
import { chunk, sseFrame, sseHeaders } from "./frame.ts";
import { host, listenOptions } from "./host.ts";

const lines = Object.entries({ ...sseHeaders, "transfer-encoding": "chunked" }).map((header) => header.join(": "));
const head = `HTTP/1.1 200 OK\r\n${lines.join("\r\n")}\r\n\r\n`;
/** The sockets, and the number of the last message of each. */
const ids = new Map<Socket, number>();

const server = createServer({ noDelay: true }, (socket) => {
  socket.once("data", () => {
    socket.write(head);
    ids.set(socket, 0);
  });
  socket.on("error", () => undefined);
  socket.on("close", () => ids.delete(socket));
});
server.listen(listenOptions, () => {
  host(server, {
    publish: (all) => {
      for (const [socket, id] of ids) {
        const frames = all.map((message, i) => sseFrame(message, id + i + 1));
        ids.set(socket, id + all.length);
        socket.write(Buffer.from(chunk(frames.join(""))));
      }
    },
    count: () => ids.size,
  });
});

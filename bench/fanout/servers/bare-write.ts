/**
 * Control: what one would write by hand on node:http. A frame is made once, as a Buffer, and given to `response.write` of every
 * client, message by message; `flushHeaders` when a client comes.
 */
import { createServer, type ServerResponse } from "node:http";
import { sseFrame, sseHeaders } from "./frame.ts";
import { host, listenOptions } from "./host.ts";

const responses = new Set<ServerResponse>();
let id = 0;

const server = createServer((_request, response) => {
  response.writeHead(200, sseHeaders);
  response.flushHeaders();
  responses.add(response);
  response.on("close", () => responses.delete(response));
});
server.listen(listenOptions, () => {
  host(server, {
    publish: (all) => {
      for (const message of all) {
        const frame = Buffer.from(sseFrame(message, (id += 1)));
        for (const response of responses) response.write(frame);
      }
    },
    count: () => responses.size,
  });
});

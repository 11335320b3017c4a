/**
 * Control: what one would write by hand on node:http2. A frame is made once, as a Buffer, and given to `stream.write` of every
 * client, message by message, by the stream API itself and not by the one that is compatible with node:http.
 */
import { createServer, type ServerHttp2Stream } from "node:http2";
import { sseFrame, sseHeaders } from "./frame.ts";
import { host, listenOptions } from "./host.ts";

const streams = new Set<ServerHttp2Stream>();
let id = 0;

const server = createServer();
server.on("stream", (stream) => {
  stream.respond({ ":status": 200, ...sseHeaders });
  streams.add(stream);
  stream.on("error", () => undefined);
  stream.on("close", () => streams.delete(stream));
});
server.listen(listenOptions, () => {
  host(server, {
    publish: (all) => {
      for (const message of all) {
        const frame = Buffer.from(sseFrame(message, (id += 1)));
        for (const stream of streams) stream.write(frame);
      }
    },
    count: () => streams.size,
  });
});

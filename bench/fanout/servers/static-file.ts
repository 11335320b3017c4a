/**
 * Control for the backlog: a file of as many messages, framed as SSE, sent by `stream.pipeline` over node:http, with a
 * Content-Length as file servers do.
 */
import { createReadStream, mkdirSync, statSync, writeFileSync } from "node:fs";
import { createServer } from "node:http";
import { pipeline } from "node:stream";
import { messages } from "../messages.ts";
import { sseFrame, sseHeaders } from "./frame.ts";
import { host, listenOptions } from "./host.ts";

const [fill = 0, bytes = 100] = process.argv.slice(2).map(Number);
const folder = new URL("../../../bench-results/", import.meta.url);
const file = new URL("backlog.txt", folder);
mkdirSync(folder, { recursive: true });
writeFileSync(
  file,
  messages(fill, bytes, 0)
    .map((message, i) => sseFrame(message, i + 1))
    .join(""),
);
const { size } = statSync(file);

let count = 0;
const server = createServer((_request, response) => {
  count += 1;
  response.writeHead(200, { ...sseHeaders, "content-length": size });
  pipeline(createReadStream(file), response, () => undefined);
});
server.listen(listenOptions, () => host(server, { publish: () => undefined, count: () => count }));

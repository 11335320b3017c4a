/**
 * The program of the control of `strangers`: Node's HTTP servers without a hub, which answer the same requests. A request with
 * `from=oldest` gets as many bytes as a full log holds. A poll gets a short body at once. Every other request gets a head and one byte, and
 * its stream stays open.
 */
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import http2 from "node:http2";
import { serveCalls } from "./child.ts";
import { listenOn, MAX_STREAMS, type Ports } from "./strangers-server.ts";

const LOG_BYTES = 4_194_304;
const PIECE = Buffer.alloc(65_536, "x");

function answer(request: Pick<IncomingMessage, "url">, response: ServerResponse): void {
  const url = request.url ?? "";
  response.on("error", () => undefined);
  if (url.includes("wire=poll") || !url.includes("wire=")) {
    const body = url.includes("from=oldest") ? PIECE : "[]";
    response.setHeader("content-type", "application/json");
    response.setHeader("content-length", body.length);
    response.end(body);
    return;
  }
  response.writeHead(200, { "content-type": "text/plain", "cache-control": "no-store" });
  if (url.includes("from=oldest")) writeAll(response, LOG_BYTES);
  else response.write("\n");
}

function writeAll(response: ServerResponse, bytes: number): void {
  let left = bytes;
  while (left > 0 && !response.destroyed) {
    left -= PIECE.length;
    if (response.write(PIECE)) continue;
    response.once("drain", () => writeAll(response, left));
    return;
  }
}

serveCalls({
  listen: async (): Promise<Ports> => {
    const two = http2.createServer({ settings: { maxConcurrentStreams: MAX_STREAMS } }, (request, response) => {
      // Both kinds of response have these methods.
      answer(request, response as unknown as ServerResponse);
    });
    return { http: await listenOn(createServer(answer)), http2: await listenOn(two) };
  },
});

/**
 * Streams for any client of the Durable Streams protocol. A page may follow each of them as a topic of the hub as well.
 *
 *     PORT=4000 WRITE_TOKEN=secret node examples/durable-streams/server.ts
 */
import { createServer } from "node:http";
import { Hub } from "comet-sockets";
import { durableStreams } from "comet-sockets/durable-streams";
import { nodeHandler } from "comet-sockets/node";

const hub = new Hub();
const writer = `Bearer ${process.env["WRITE_TOKEN"] ?? "secret"}`;
const streams = durableStreams(hub, {
  prefix: "/streams/",
  authorize: (request, _stream, action) => action === "read" || request.headers.get("authorization") === writer || 401,
});
const live = nodeHandler(hub);
const durable = nodeHandler(streams);

export const server = createServer((request, response) =>
  request.url?.startsWith("/streams/") === true ? durable(request, response) : live(request, response),
).listen(process.env["PORT"] ?? 4000);

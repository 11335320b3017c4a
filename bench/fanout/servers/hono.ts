/**
 * Peer: Hono's `streamSSE` on @hono/node-server, with default options. Its documentation has no broadcast; so the streams are
 * kept in a set, and `writeSSE` is called for each. It is not awaited within the loop: one slow client would hold up all.
 */
import { createServer } from "node:http";
import { createAdaptorServer } from "@hono/node-server";
import { Hono } from "hono";
import { streamSSE, type SSEStreamingApi } from "hono/streaming";
import { host, listenOptions } from "./host.ts";

const streams = new Set<SSEStreamingApi>();
const app = new Hono();
app.get("/", (context) =>
  streamSSE(context, async (stream) => {
    streams.add(stream);
    await new Promise<void>((resolve) => stream.onAbort(resolve));
    streams.delete(stream);
  }),
);

const server = createAdaptorServer({ fetch: app.fetch, createServer });
let id = 0;
server.listen(listenOptions, () => {
  host(server, {
    publish: (all) => {
      for (const data of all) {
        id += 1;
        for (const stream of streams) void stream.writeSSE({ data, id: String(id) });
      }
    },
    count: () => streams.size,
  });
});

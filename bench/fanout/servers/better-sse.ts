/**
 * Peer: better-sse, as its guide to channels has it: a session for each request, registered with one channel, and `broadcast`.
 * All options are the defaults (JSON, a keep-alive every 10 s). Its batches are for one session, not for a channel.
 */
import { createServer } from "node:http";
import { createChannel, createSession } from "better-sse";
import { host, listenOptions } from "./host.ts";

const channel = createChannel();
const server = createServer((request, response) => {
  void createSession(request, response).then((session) => channel.register(session));
});
server.listen(listenOptions, () => {
  host(server, {
    publish: (all) => {
      for (const message of all) channel.broadcast(message);
    },
    count: () => channel.sessionCount,
  });
});

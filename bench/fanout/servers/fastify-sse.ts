/**
 * Peer: @fastify/sse, with the default options of both. `keepAlive` keeps a reply open once its handler is done; the replies
 * are kept in a set, and `send` is called for each; the first message, as in its README, brings the head to the client.
 */
import fastifySse from "@fastify/sse";
import { fastify, type FastifyPluginAsync, type FastifyReply } from "fastify";
import { host, listenOptions } from "./host.ts";

const replies = new Set<FastifyReply>();
const app = fastify();
// Its types say that there is a `default` within what an ES module imports; what is imported is the plugin.
await app.register(fastifySse as unknown as FastifyPluginAsync);
app.get("/", { sse: "only" }, async (_request, reply) => {
  reply.sse.keepAlive();
  await reply.sse.send({ data: "Connected" });
  replies.add(reply);
  reply.sse.onClose(() => replies.delete(reply));
});
await app.listen(listenOptions);
let id = 0;
host(app.server, {
  publish: (all) => {
    for (const data of all) {
      id += 1;
      for (const reply of replies) void reply.sse.send({ id: String(id), data });
    }
  },
  count: () => replies.size,
});

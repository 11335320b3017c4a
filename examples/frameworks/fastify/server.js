import compress from "@fastify/compress";
import cookie from "@fastify/cookie";
import cors from "@fastify/cors";
import helmet from "@fastify/helmet";
import session from "@fastify/session";
import files from "@fastify/static";
import { Hub } from "comet-sockets";
import { fastifyComet } from "comet-sockets/fastify";
import { drainOnSignal } from "comet-sockets/node";
import Fastify from "fastify";

const hub = new Hub({
  authorize: (_request, topics, user) => {
    if (user === undefined) return 401;
    return topics.every((topic) => topic === "news" || topic === `user:${user}`);
  },
});
export const app = Fastify();
// helmet's policy is for pages. The hub gives its documents a policy of their own.
await app.register(helmet);
await app.register(compress);
await app.register(cookie);
await app.register(session, {
  secret: process.env.SECRET ?? "only to try out, in 32 characters",
  cookie: { secure: false },
  saveUninitialized: false,
});
await app.register(files, {
  root: [
    new URL("public", import.meta.url).pathname,
    new URL("node_modules/comet-sockets/dist", import.meta.url).pathname,
  ],
});

// The scope of the route. CORS answers the preflight, and its headers reach the stream too.
await app.register(async (scope) => {
  const origin = ["https://app.example.com"];
  await scope.register(cors, { origin, credentials: true, allowedHeaders: ["authorization", "last-event-id"] });
  await scope.register(fastifyComet, {
    hub,
    path: "/live",
    options: ({ session }) => ({ context: session.user }),
    drainMs: 1000,
  });
});

app.post("/login", async (request, reply) => {
  await request.session.regenerate();
  request.session.user = request.body.user; // Check a password here.
  return reply.code(204).send();
});
app.post("/news", async (request, reply) => {
  if (request.session.user === undefined) return reply.code(401).send();
  await hub.topic("news").publish(request.body.text);
  return reply.code(204).send();
});
app.get("/stats", () => hub.stats());
app.get("/version", () => "v1");

await app.listen({ port: Number(process.env.PORT ?? 4000), host: process.env.HOST });
drainOnSignal(hub, app, { drainMs: 1000 });

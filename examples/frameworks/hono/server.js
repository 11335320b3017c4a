import { serve } from "@hono/node-server";
import { serveStatic } from "@hono/node-server/serve-static";
import { fetchHandler, Hub } from "comet-sockets";
import { drainOnSignal } from "comet-sockets/node";
import { Hono } from "hono";
import { compress } from "hono/compress";
import { getSignedCookie, setSignedCookie } from "hono/cookie";
import { secureHeaders } from "hono/secure-headers";

const hub = new Hub({
  cors: { origins: ["https://app.example.com"], credentials: true },
  authorize: (_request, topics, user) => {
    if (user === undefined) return 401;
    return topics.every((topic) => topic === "news" || topic === `user:${user}`);
  },
});
const secret = process.env.SECRET ?? "only to try out";
const app = new Hono();
app.use(compress(), async (context, next) => {
  context.set("user", (await getSignedCookie(context, secret, "user")) || undefined);
  await next();
});

// Before `secureHeaders`, which would replace the policy that the hub gives its documents.
const live = fetchHandler(hub, (_request, context) => ({ context: context.get("user") }));
app.all("/live", (context) => live(context.req.raw, context)); // `all`: GET, HEAD and the preflight.

app.use(secureHeaders({ contentSecurityPolicy: { defaultSrc: ["'self'"] } }));
app.post("/login", async (context) => {
  const { user } = await context.req.json(); // Check a password here.
  await setSignedCookie(context, "user", user, secret, { httpOnly: true, sameSite: "Lax" });
  return context.body(null, 204);
});
app.post("/news", async (context) => {
  if (context.get("user") === undefined) return context.body(null, 401);
  const { text } = await context.req.json();
  await hub.topic("news").publish(text);
  return context.body(null, 204);
});
app.get("/stats", (context) => context.json(hub.stats()));
app.get("/version", (context) => context.text("v1"));
app.use(serveStatic({ root: "./public" }), serveStatic({ root: "./node_modules/comet-sockets/dist" }));

const server = serve({ fetch: app.fetch, port: Number(process.env.PORT ?? 4000) });
drainOnSignal(hub, server, { drainMs: 1000 });

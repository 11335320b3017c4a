import { bodyParser } from "@koa/bodyparser";
import cors from "@koa/cors";
import Router from "@koa/router";
import { Hub } from "comet-sockets";
import { drainOnSignal, nodeHandler } from "comet-sockets/node";
import Koa from "koa";
import compress from "koa-compress";
import helmet from "koa-helmet";
import session from "koa-session";
import files from "koa-static";

const hub = new Hub({
  authorize: (_request, topics, user) => {
    if (user === undefined) return 401;
    return topics.every((topic) => topic === "news" || topic === `user:${user}`);
  },
});
const app = new Koa();
app.keys = [process.env.SECRET ?? "only to try out"];
// helmet's policy is for pages. The hub gives its documents a policy of their own.
app.use(helmet());
app.use(compress());
app.use(session(app));
app.use(bodyParser());

const router = new Router();
const origins = ["https://app.example.com"];
const allowed = cors({
  origin: (context) => (origins.includes(context.get("origin")) ? context.get("origin") : ""),
  credentials: true,
  allowHeaders: ["authorization", "last-event-id"],
});
const live = nodeHandler(hub, ({ user }) => ({ context: user }));
router.all("/live", allowed, (context) => {
  context.req.user = context.session.user;
  context.respond = false; // The hub answers. Otherwise Koa would end the response.
  return live(context.req, context.res);
});
router.post("/login", (context) => {
  context.session.user = context.request.body.user; // Check a password here.
  context.status = 204;
});
router.post("/news", async (context) => {
  if (context.session.user === undefined) context.throw(401);
  await hub.topic("news").publish(context.request.body.text);
  context.status = 204;
});
router.get("/stats", (context) => (context.body = hub.stats()));
router.get("/version", (context) => (context.body = "v1"));
app.use(router.routes());
app.use(files("public"));
app.use(files("node_modules/comet-sockets/dist"));
// Koa prints every error, also of requests that a client has broken off.
app.on("error", (error) => console.error(error.message));

const server = app.listen(process.env.PORT ?? 4000);
drainOnSignal(hub, server, { drainMs: 1000 });

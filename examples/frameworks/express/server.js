import compression from "compression";
import { Hub } from "comet-sockets";
import { drainOnSignal, nodeHandler } from "comet-sockets/node";
import cors from "cors";
import express from "express";
import session from "express-session";
import helmet from "helmet";

const hub = new Hub({
  authorize: (_request, topics, user) => {
    if (user === undefined) return 401;
    return topics.every((topic) => topic === "news" || topic === `user:${user}`);
  },
});
const app = express();
// helmet's policy is for pages. The hub gives its documents a policy of their own.
app.use(helmet(), compression());
app.use(session({ secret: process.env.SECRET ?? "only to try out", resave: false, saveUninitialized: false }));
app.use(express.json(), express.static("public"), express.static("node_modules/comet-sockets/dist"));

// `all`: GET, HEAD, and the preflight, which `cors` answers before it needs a session.
const origins = ["https://app.example.com"];
const allowed = cors({ origin: origins, credentials: true, allowedHeaders: ["authorization", "last-event-id"] });
app.all(
  "/live",
  allowed,
  nodeHandler(hub, ({ session }) => ({ context: session.user })),
);

app.post("/login", (request, response, next) => {
  // Check a password here.
  request.session.regenerate((error) => {
    if (error) return next(error);
    request.session.user = request.body.user;
    response.sendStatus(204);
  });
});
app.post("/news", async (request, response) => {
  if (request.session.user === undefined) return response.sendStatus(401);
  await hub.topic("news").publish(request.body.text);
  response.sendStatus(204);
});
app.get("/stats", (_request, response) => response.json(hub.stats()));
app.get("/version", (_request, response) => response.send("v1"));

const server = app.listen(process.env.PORT ?? 4000);
drainOnSignal(hub, server, { drainMs: 1000 });

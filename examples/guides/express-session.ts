import { Hub } from "comet-sockets";
import { nodeHandler } from "comet-sockets/node";
import express, { type Request, type RequestHandler } from "express";
import session from "express-session";

declare module "express-session" {
  interface SessionData {
    user: string;
  }
}

const hub = new Hub({
  authorize: (_request, topics, context) => {
    const { user, maxAge } = context as { user?: string; maxAge?: number | null };
    if (user === undefined) return 401;
    const allowed = ["news", `user:${user}`];
    if (!topics.every((topic) => allowed.includes(topic))) return 403;
    return typeof maxAge === "number" ? { identity: user, expiresAt: Date.now() + maxAge } : { identity: user };
  },
});
const app = express();
const secret = process.env["SESSION_SECRET"] ?? "only for trying out";
const cookie = { maxAge: 3_600_000 };
app.use(session({ secret, resave: false, saveUninitialized: false, cookie }), express.json());

const signedIn: RequestHandler = (request, response, next) => {
  if (request.session.user === undefined) response.sendStatus(401);
  else next();
};

app.get(
  "/live",
  nodeHandler(hub, ({ session: { user, cookie } }: Request) => ({ context: { user, maxAge: cookie.maxAge } })),
);
app.post("/login", (request, response, next) => {
  const { user } = request.body as { user: string }; // Check a password here.
  request.session.regenerate((error) => {
    if (error) next(error);
    else {
      request.session.user = user;
      response.sendStatus(204);
    }
  });
});
app.post("/logout", signedIn, (request, response, next) => {
  const { user } = request.session;
  request.session.destroy((error) => {
    if (error) next(error);
    else {
      for (const one of hub.subscriptions()) if (one.identity === user) one.close("unauthorized");
      response.sendStatus(204);
    }
  });
});
app.post("/messages/:user", signedIn, async (request, response) => {
  const { text } = request.body as { text: string };
  await hub.topic(`user:${String(request.params["user"])}`).publish(text);
  response.sendStatus(204);
});
export const server = app.listen(process.env["PORT"] ?? 4000);

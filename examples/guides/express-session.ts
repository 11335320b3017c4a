import { Hub } from "comet-sockets";
import { nodeHandler } from "comet-sockets/node";
import express, { type Request, type RequestHandler } from "express";
import session from "express-session";

declare module "express-session" {
  interface SessionData {
    user: string;
  }
}

const hub = new Hub();
const app = express();
const secret = process.env["SESSION_SECRET"] ?? "only for trying out";
app.use(session({ secret, resave: false, saveUninitialized: false }), express.json());

const signedIn: RequestHandler = (request, response, next) => {
  if (request.session.user === undefined) response.sendStatus(401);
  else next();
};
const live = nodeHandler(hub, ({ session: { user = "" } }: Request) => ({
  topics: ["news", `user:${user}`],
  identity: user,
}));

app.get("/live", signedIn, live);
app.post("/login", (request, response, next) => {
  const { user } = request.body as { user: string }; // Check a password here.
  request.session.regenerate((error) => {
    request.session.user = user;
    if (error) next(error);
    else response.sendStatus(204);
  });
});
app.post("/logout", signedIn, (request, response, next) => {
  const { user } = request.session;
  request.session.destroy((error) => {
    for (const one of hub.subscriptions()) if (one.identity === user) one.close("unauthorized");
    if (error) next(error);
    else response.sendStatus(204);
  });
});
app.post("/messages/:user", signedIn, async (request, response) => {
  const { text } = request.body as { text: string };
  await hub.topic(`user:${String(request.params["user"])}`).publish(text);
  response.sendStatus(204);
});
export const server = app.listen(process.env["PORT"] ?? 4000);

import { Hub } from "comet-sockets";
import { nodeHandler } from "comet-sockets/node";
import express, { type Request, type RequestHandler } from "express";
import session from "express-session";

declare module "express-session" {
  interface SessionData {
    user: string;
  }
}

const origins = (process.env["ORIGINS"] ?? "https://app.example.com").split(",");
const hub = new Hub({ cors: { origins, credentials: true } });
const app = express();
const secret = process.env["SESSION_SECRET"] ?? "only for trying out";
app.use(session({ secret, resave: false, saveUninitialized: false }), express.json());

const signedIn: RequestHandler = ({ session: { user }, headers: { origin = "" } }, response, next) => {
  if (user !== undefined) {
    next();
    return;
  }
  // The hub adds these headers to its own responses. Without them the page sees a network error, and not the 401.
  if (origins.includes(origin)) {
    response.set({ "access-control-allow-origin": origin, "access-control-allow-credentials": "true" });
  }
  response.vary("Origin").sendStatus(401);
};
const live = nodeHandler(hub, ({ session: { user = "" } }: Request) => ({ topics: ["news", `user:${user}`] }));

app.options("/live", live); // A browser's preflight has no cookie, so it must not need a login.
app.get("/live", signedIn, live);
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
export const server = app.listen(process.env["PORT"] ?? 4000);

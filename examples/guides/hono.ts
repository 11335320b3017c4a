import { serve } from "@hono/node-server";
import { fetchHandler, Hub } from "comet-sockets";
import { Hono, type Context } from "hono";
import { bearerAuth } from "hono/bearer-auth";

type Env = { Variables: { user: string } };

const users = new Map([["token-of-ada", "ada"]]);
const hub = new Hub();
const live = fetchHandler(hub, (_request, context: Context<Env>) => ({
  topics: ["news", `user:${context.get("user")}`],
  identity: context.get("user"),
}));

const app = new Hono<Env>();
const verifyToken = (token: string, context: Context<Env>): boolean => {
  context.set("user", users.get(token) ?? "");
  return users.has(token);
};
app.get("/live", bearerAuth({ verifyToken }), (context) => live(context.req.raw, context));
export const server = serve({ fetch: app.fetch, port: Number(process.env["PORT"] ?? 4000) });

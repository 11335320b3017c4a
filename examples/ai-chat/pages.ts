import { Hono } from "hono";
import { setCookie } from "hono/cookie";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { bundle, folder } from "./bundle.ts";

const part = (name: string): Promise<string> => readFile(join(folder, name), "utf8");
const script = bundle();

/** The page of a chat, its script, and a login without a password. */
export const pages = new Hono();

pages.get("/", (context) => context.redirect("/chat/"));

pages.get("/chat/", (context) => {
  const user = context.req.query("user") ?? "ada";
  setCookie(context, "user", user, { httpOnly: true, sameSite: "Strict" });
  return context.redirect(`/chat/${encodeURIComponent(`${user}:${crypto.randomUUID()}`)}`);
});

pages.get("/chat/:id", async (context) => context.html(await part("index.html")));

pages.get("/ai-chat.css", async (context) =>
  context.body(await part("ai-chat.css"), 200, { "content-type": "text/css" }),
);

pages.get("/ai-chat.js", async (context) =>
  context.body(await script, 200, { "content-type": "text/javascript; charset=utf-8" }),
);

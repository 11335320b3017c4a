import { build } from "esbuild";
import { Hono } from "hono";
import { setCookie } from "hono/cookie";
import { readFile } from "node:fs/promises";
import { join } from "node:path";

const folder = join(import.meta.dirname, "pages");

/** The page's script, with React and the SDK. */
const script = build({
  entryPoints: [join(folder, "chat.tsx")],
  bundle: true,
  minify: true,
  write: false,
  format: "esm",
  target: "es2022",
  jsx: "automatic",
  define: { "process.env.NODE_ENV": '"production"' },
});

/** The page of a chat, its script, and a login without a password. */
export const pages = new Hono();

pages.get("/login/:user", (context) => {
  const user = context.req.param("user");
  setCookie(context, "user", user, { httpOnly: true, sameSite: "Strict" });
  return context.redirect(`/chat/${encodeURIComponent(`${user}:${crypto.randomUUID()}`)}`);
});

pages.get("/chat/:id", async (context) => context.html(await readFile(join(folder, "index.html"), "utf8")));

pages.get("/chat.js", async (context) => {
  const { outputFiles } = await script;
  return context.body(outputFiles[0]?.text ?? "", 200, { "content-type": "text/javascript; charset=utf-8" });
});

pages.get("/", (context) => context.redirect("/login/ada"));
